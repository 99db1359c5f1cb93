package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/corral-fleet/corral/plugins/internal/faultproxy"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// behind returns a container of a server behind a proxy.
func behind(t *testing.T) (*blobs, *faultproxy.Proxy) {
	t.Helper()
	server := servertest.Azure(t)
	proxy := faultproxy.New(t, server.Endpoint[:strings.LastIndex(server.Endpoint, "/")])
	s := settingsFor(server)
	s.Endpoint = proxy.URL + "/" + server.Account
	return opened(t, s), proxy
}

// content returns so many bytes, the same each time.
func content(size int) []byte {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	return b
}

func tryRead(ctx context.Context, b storage.Backend, key string, r storage.Range) ([]byte, error) {
	in, err := b.Get(ctx, key, r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(in)
	return got, errors.Join(err, in.Close())
}

func TestObjectsAsLargeAsPartsAreWhole(t *testing.T) {
	b := opened(t, settingsFor(servertest.Azure(t)))
	for _, size := range []int{leastPart - 1, leastPart, leastPart + 1, 3*leastPart - 1, 3 * leastPart, 3*leastPart + 1, 9*leastPart + 12345} {
		want := content(size)
		for how, src := range map[string]storage.Source{
			"at any place": storage.Bytes(want), "once": storage.Once(bytes.NewReader(want), int64(size)), "of unknown size": storage.Once(bytes.NewReader(want), -1),
		} {
			if err := b.Put(t.Context(), "k", src); err != nil {
				t.Fatalf("%d bytes, %s: %v", size, how, err)
			}
			for _, r := range []storage.Range{{}, {OffsetBytes: int64(size / 2)}, {OffsetBytes: 10, LengthBytes: int64(size / 2)}} {
				offset, length, _ := r.Of(int64(size))
				if got, err := tryRead(t.Context(), b, "k", r); err != nil || !bytes.Equal(got, want[offset:offset+length]) {
					t.Errorf("%d bytes, %s, %+v: %d bytes, %v", size, how, r, len(got), err)
				}
			}
		}
	}
}

func TestWhatBreaksOffIsReadOn(t *testing.T) {
	b, proxy := behind(t)
	want := content(3*leastPart + 100)
	if err := b.Put(t.Context(), "k", storage.Bytes(want)); err != nil {
		t.Fatal(err)
	}
	proxy.On(faultproxy.First(3, faultproxy.Method(http.MethodGet), faultproxy.Cut(100_000)))
	if got, err := tryRead(t.Context(), b, "k", storage.Range{}); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAServiceThatIsAskedTooOftenSaysWhenToAskAgain(t *testing.T) {
	b, proxy := behind(t)
	for status, want := range map[int]fault.Kind{http.StatusTooManyRequests: fault.RateLimited, http.StatusServiceUnavailable: fault.Unavailable} {
		proxy.On(faultproxy.Always(faultproxy.Method(http.MethodPut), faultproxy.Refuse(status, 17)))
		err := b.Put(t.Context(), "k", storage.Bytes([]byte("x")))
		if fault.KindOf(err) != want || fault.SideOf(err) != fault.Service || fault.RetryAfterOf(err) != 17*time.Second {
			t.Errorf("%d: %v on %v after %v: %v", status, fault.KindOf(err), fault.SideOf(err), fault.RetryAfterOf(err), err)
		}
	}
	proxy.On(faultproxy.First(2, faultproxy.Method(http.MethodPut), faultproxy.Refuse(http.StatusServiceUnavailable, 0)))
	if err := b.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("one that recovers: %v", err)
	}
}

// An answer that is lost does not make a failure of what was stored, nor have what
// others stored taken for it.
func TestALostAnswerIsNoFailure(t *testing.T) {
	b, proxy := behind(t)
	large := content(2*leastPart + 1)
	commit := func(r *http.Request) bool { return r.URL.Query().Get("comp") == "blocklist" }
	proxy.On(faultproxy.First(1, commit, faultproxy.Lose()))
	if err := b.Put(t.Context(), "large", storage.Bytes(large)); err != nil {
		t.Errorf("Put: %v", err)
	}
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodPut), faultproxy.Lose()))
	if err := b.Create(t.Context(), "small", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("Create: %v", err)
	}
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodPut), faultproxy.Lose()))
	if err := b.Create(t.Context(), "small", storage.Bytes([]byte("y"))); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Create again: %v", err)
	}
	if got, err := tryRead(t.Context(), b, "large", storage.Range{}); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	server := servertest.Azure(t)
	for name, c := range map[string]struct {
		change func(*settings)
		kind   fault.Kind
		words  string
	}{
		// Azurite says of a wrong key that it does not allow this; the service has another code.
		"another key":  {func(s *settings) { s.AccountKey = config.NewSecret("c29tZXRoaW5n") }, fault.Forbidden, "account_key"},
		"no container": {func(s *settings) { s.Container = "nowhere" }, fault.Unavailable, "no such container"},
		"no service":   {func(s *settings) { s.Endpoint = "http://127.0.0.1:1/x" }, fault.Unavailable, "out of reach"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settingsFor(server)
			c.change(&s)
			b := opened(t, s)
			for what, err := range map[string]error{"Check": b.Check(t.Context()), "Put": b.Put(t.Context(), "k", storage.Bytes(nil))} {
				if fault.KindOf(err) != c.kind || fault.SideOf(err) != fault.Service || !strings.Contains(fault.MessageOf(err), c.words) {
					t.Errorf("%s: %v on %v: %v", what, fault.KindOf(err), fault.SideOf(err), err)
				}
			}
		})
	}
}

// With a signature of the container instead of a key nothing can be signed for others.
func TestASignatureIsEnoughToStore(t *testing.T) {
	server := servertest.Azure(t)
	s := settingsFor(server)
	token, err := signature(opened(t, s))
	if err != nil {
		t.Fatal(err)
	}
	s.AccountKey, s.SASToken = config.Secret{}, config.NewSecret(token)
	b := opened(t, s)
	if can := storage.CapabilitiesOf(b); can&(storage.CanPresign|storage.CanCopy) != 0 {
		t.Errorf("it can %v", can)
	}
	if err := b.Put(t.Context(), "k", storage.Bytes(content(2*leastPart))); err != nil {
		t.Fatal(err)
	}
	if got, err := tryRead(t.Context(), b, "k", storage.Range{}); err != nil || len(got) != 2*leastPart {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestNamesStandForKeys(t *testing.T) {
	for key, want := range map[string]string{
		"a": "a", "a.b/c": "a.b/c", "a.": "a%2E", "...": "%2E%2E%2E", "a./b": "a%2E/b", `a\b`: "a%5Cb", "a%2Eb": "a%252Eb", "100%": "100%25", ".a": ".a",
	} {
		if got := nameOf(key); got != want {
			t.Errorf("%q is %q, want %q", key, got, want)
		}
		if back, ok := keyOf(want); back != key || !ok {
			t.Errorf("%q is of %q, %v, want %q", want, back, ok, key)
		}
	}
	for _, name := range []string{"100%", `a\b`, "a.", "a%2Eb"} { // which others made
		if key, ok := keyOf(name); ok {
			t.Errorf("%q is of %q", name, key)
		}
	}
}

// signature returns a shared access signature of a container.
func signature(b *blobs) (string, error) {
	address, err := b.client.GetSASURL(sas.ContainerPermissions{Read: true, Add: true, Create: true, Write: true, Delete: true, List: true}, time.Now().Add(time.Hour), nil)
	_, token, _ := strings.Cut(address, "?")
	return token, err
}
