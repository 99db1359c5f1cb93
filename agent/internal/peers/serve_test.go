package peers

import (
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/wire/peer"
)

func TestABlobIsServedByRanges(t *testing.T) {
	r := newRig(t)
	content := junk(300_000)
	address := r.ticket(r.put(content)).URL(r.Address, r.issuer)
	client := r.client(r.other)
	for span, want := range map[string][]byte{"": content, "bytes=0-99": content[:100], "bytes=5000-": content[5000:], "bytes=-7": content[len(content)-7:]} {
		status, body, err := r.get(client, address, span)
		if err != nil || status != http.StatusOK && span == "" || status != http.StatusPartialContent && span != "" {
			t.Errorf("%q: %d, %v", span, status, err)
		}
		same(t, span, want, body)
	}
	res, err := r.do(client, http.MethodHead, address, "")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ContentLength != int64(len(content)) {
		t.Errorf("HEAD: %d, %d bytes", res.StatusCode, res.ContentLength)
	}
	for span, want := range map[string]int{"bytes=300000-": 416, "bytes=0-1,5-6": 416, "bytes=x": 416} {
		if status, _, err := r.get(client, address, span); status != want || err != nil {
			t.Errorf("%q: %d, %v", span, status, err)
		}
	}
	if sent := r.SentBytes(); sent != 300_000+100+295_000+7 {
		t.Errorf("%d bytes were sent", sent)
	}
}

func TestNobodyElseIsServed(t *testing.T) {
	r := newRig(t)
	content := junk(1000)
	digest := r.put(content)
	secret := r.put(junk(500))
	good := r.ticket(digest)
	with := func(change func(*peer.Ticket)) string {
		changed := *good
		change(&changed)
		return changed.URL(r.Address, r.issuer)
	}
	stranger := newKey(t)
	for name, c := range map[string]struct {
		address string
		by      ed25519.PrivateKey
	}{
		"no ticket":                {"https://" + r.Address + peer.Path + digest, r.other},
		"a forged ticket":          {good.URL(r.Address, stranger), r.other},
		"an expired ticket":        {with(func(k *peer.Ticket) { k.Expires = time.Now().Unix() }), r.other},
		"another host's ticket":    {with(func(k *peer.Ticket) { k.Host = "h_2" }), r.other},
		"a stranger with a ticket": {good.URL(r.Address, r.issuer), stranger},
		"the host itself":          {good.URL(r.Address, r.issuer), r.Key},
		"another blob's ticket":    {strings.Replace(good.URL(r.Address, r.issuer), digest, secret, 1), r.other},
	} {
		status, body, err := r.get(r.client(c.by), c.address, "")
		if status != http.StatusForbidden || err != nil {
			t.Errorf("%s: %d, %d bytes, %v", name, status, len(body), err)
		}
	}
	if status, _, err := r.get(r.client(nil), good.URL(r.Address, r.issuer), ""); err == nil {
		t.Errorf("without a certificate: %d", status)
	}
	if r.SentBytes() != 0 {
		t.Errorf("%d bytes were sent", r.SentBytes())
	}
	if status, body, err := r.get(r.client(r.other), good.URL(r.Address, r.issuer), ""); status != http.StatusOK || err != nil || len(body) != len(content) {
		t.Errorf("who may: %d, %d bytes, %v", status, len(body), err)
	}
	r.Trust(publicOf(stranger)) // the control plane has begun anew
	if status, _, err := r.get(r.client(r.other), good.URL(r.Address, r.issuer), ""); status != http.StatusForbidden || err != nil {
		t.Errorf("with a ticket of an earlier run: %d, %v", status, err)
	}
}

func TestNothingButBlobsIsServed(t *testing.T) {
	r := newRig(t)
	r.timing.appear = 50 * time.Millisecond
	if err := os.WriteFile(r.dir+"/secret", []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	folder := strings.Repeat("ab", 32)
	if err := os.Mkdir(r.path(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	client := r.client(r.other)
	for _, name := range []string{"../secret", "..%2f..%2fsecret", "%2e%2e/secret", "", "sha256-" + folder, strings.ToUpper(folder), folder + "-partial", folder[:63] + "/"} {
		address := "https://" + r.Address + peer.Path + name + "?" + peer.TicketParameter + "=" + r.ticket(name).Sign(r.issuer)
		status, body, err := r.get(client, address, "")
		if err != nil || status != http.StatusForbidden && status != http.StatusNotFound || strings.Contains(string(body), "secret") {
			t.Errorf("%q: %d %s, %v", name, status, body, err)
		}
	}
	if status, _, err := r.get(client, r.ticket(folder).URL(r.Address, r.issuer), ""); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("a folder: %d, %v", status, err)
	}
	res, err := r.do(client, http.MethodPost, r.ticket(folder).URL(r.Address, r.issuer), "")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
}

func TestAnOllamaOfSomebodyElse(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ModelsDir = func() string { return "" } })
	if status, _, err := r.get(r.client(r.other), r.ticket(strings.Repeat("ab", 32)).URL(r.Address, r.issuer), ""); status != http.StatusNotFound || err != nil {
		t.Errorf("%d, %v", status, err)
	}
}

func TestWhatIsSentIsHeldToARate(t *testing.T) {
	r := newRig(t, func(o *Options) { o.BytesPerSecond = 1 << 20 })
	content := junk(pieceBytes + 256<<10)
	address := r.ticket(r.put(content)).URL(r.Address, r.issuer)
	began := time.Now()
	if _, body, err := r.get(r.client(r.other), address, ""); err != nil || len(body) != len(content) {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if took := time.Since(began); took < 240*time.Millisecond {
		t.Errorf("256 KiB at 1 MiB a second took %v", took)
	}
}

func TestABlobThatBecomesShorter(t *testing.T) {
	r := newRig(t)
	content := junk(64 << 20) // more than sockets hold
	digest := r.put(content)
	res, err := r.do(r.client(r.other), http.MethodGet, r.ticket(digest).URL(r.Address, r.issuer), "")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := os.Truncate(r.path(digest), 63<<20); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err == nil {
		t.Errorf("%d bytes came, and that was all", len(body))
	}
}

func TestTheServerEndsWithWhatItBegan(t *testing.T) {
	r := newRig(t)
	d := r.begin(junk(1<<20), 1<<20)
	res, err := r.do(r.client(r.other), http.MethodGet, r.ticket(digestOf(d.content)).URL(r.Address, r.issuer), "")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r.stop()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes came, and that was all", len(body))
	}
	if _, _, err := r.get(r.client(r.other), r.ticket(digestOf(d.content)).URL(r.Address, r.issuer), ""); err == nil {
		t.Error("it serves on")
	}
}

// TestWhatIsSentEndsWithTheTickets has the key of the tickets change, and go, while blobs
// are being sent: one that waits for more, and one whose reader reads nothing.
func TestWhatIsSentEndsWithTheTickets(t *testing.T) {
	for name, next := range map[string]ed25519.PublicKey{"another key": publicOf(newKey(t)), "none": nil} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := r.begin(junk(1<<20), 1<<20)
			whole := strings.Repeat("ab", 32)
			if err := errors.Join(os.WriteFile(r.path(whole), nil, 0o644), os.Truncate(r.path(whole), 64<<20)); err != nil { // more than sockets hold
				t.Fatal(err)
			}
			var bodies []io.ReadCloser
			for _, digest := range []string{digestOf(d.content), whole} {
				res, err := r.do(r.client(r.other), http.MethodGet, r.ticket(digest).URL(r.Address, r.issuer), "")
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				bodies = append(bodies, res.Body)
			}
			r.Trust(publicOf(r.issuer)) // as every session tells it, which changes nothing
			if n := r.Serving(); n != len(bodies) {
				t.Errorf("%d requests are under way", n)
			}
			r.Trust(next)
			for r.Serving() > 0 {
				select {
				case <-time.After(time.Millisecond):
				case <-t.Context().Done():
					t.Fatal("it is sent on")
				}
			}
			for _, body := range bodies {
				if got, err := io.ReadAll(body); err == nil {
					t.Errorf("%d bytes came, and that was all", len(got))
				}
			}
			if status, _, err := r.get(r.client(r.other), r.ticket(whole).URL(r.Address, r.issuer), ""); status != http.StatusForbidden || err != nil {
				t.Errorf("with a ticket from before: %d, %v", status, err)
			}
		})
	}
}
