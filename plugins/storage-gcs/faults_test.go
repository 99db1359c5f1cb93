package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/plugins/internal/faultproxy"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// content returns so many bytes, the same each time.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
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
	b := opened(t, settingsFor(servertest.GCS(t)))
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

func behind(t *testing.T) (*bucket, *faultproxy.Proxy) {
	t.Helper()
	server := servertest.GCS(t)
	proxy := faultproxy.New(t, server.Endpoint)
	s := settingsFor(server)
	s.Endpoint = proxy.URL
	return opened(t, s), proxy
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
		proxy.On(faultproxy.Always(faultproxy.Method(http.MethodGet), faultproxy.Refuse(status, 17)))
		_, err := b.Stat(t.Context(), "k")
		if fault.KindOf(err) != want || fault.SideOf(err) != fault.Service || fault.RetryAfterOf(err) != 17*time.Second {
			t.Errorf("%d: %v on %v after %v: %v", status, fault.KindOf(err), fault.SideOf(err), fault.RetryAfterOf(err), err)
		}
	}
	proxy.On(faultproxy.First(2, faultproxy.Method(http.MethodPost), faultproxy.Refuse(http.StatusServiceUnavailable, 0)))
	if err := b.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("one that recovers: %v", err)
	}
}

func TestALostAnswerIsNoFailure(t *testing.T) {
	b, proxy := behind(t)
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodPost), faultproxy.Lose()))
	if err := b.Create(t.Context(), "small", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("Create: %v", err)
	}
	proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodPost), faultproxy.Lose()))
	if err := b.Create(t.Context(), "small", storage.Bytes([]byte("y"))); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Create again: %v", err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	server := servertest.GCS(t)
	for name, c := range map[string]struct {
		change func(*settings)
		words  string
	}{
		"no bucket":  {func(s *settings) { s.Bucket = "nowhere" }, "no such bucket"},
		"no service": {func(s *settings) { s.Endpoint = "http://127.0.0.1:1" }, "out of reach"},
	} {
		s := settingsFor(server)
		c.change(&s)
		if err := opened(t, s).Check(t.Context()); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service || !strings.Contains(fault.MessageOf(err), c.words) {
			t.Errorf("%s: %v on %v: %v", name, fault.KindOf(err), fault.SideOf(err), err)
		}
	}
}

// account returns the key of a service account as Google hands it out.
func account(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "corral@project.iam.gserviceaccount.com", "token_uri": "http://127.0.0.1:1/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return key, string(text)
}

// The emulator signs nothing, so that an address is held against the way to sign it
// that Google has published.
func TestAnAddressIsSignedAsGoogleWantsIt(t *testing.T) {
	key, text := account(t)
	var s settings
	s.SetDefaults()
	s.Bucket, s.Prefix, s.CredentialsJSON = "bucket", "models/", config.NewSecret(text)
	b := opened(t, s)
	signed, err := b.PresignGet(t.Context(), "a b", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	signature, err := hex.DecodeString(query.Get("X-Goog-Signature"))
	if err != nil {
		t.Fatal(err)
	}
	query.Del("X-Goog-Signature")
	canonical := sha256.Sum256(fmt.Appendf(nil, "GET\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD", u.EscapedPath(), strings.ReplaceAll(query.Encode(), "+", "%20"), u.Host))
	_, scope, _ := strings.Cut(query.Get("X-Goog-Credential"), "/")
	text = fmt.Sprintf("GOOG4-RSA-SHA256\n%s\n%s\n%x", query.Get("X-Goog-Date"), scope, canonical)
	sum := sha256.Sum256([]byte(text))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("%s: %v", signed.URL, err)
	}
	if u.EscapedPath() != "/bucket/models/a%20b" || query.Get("X-Goog-Expires") == "" {
		t.Error(signed.URL)
	}
}

func TestCredentialsThatAreNotAcceptedAreNamed(t *testing.T) {
	_, text := account(t)
	denied := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant"}`)
	})
	proxy := faultproxy.New(t, "http://127.0.0.1:1")
	proxy.On(faultproxy.Always(faultproxy.Method(http.MethodPost), func(w http.ResponseWriter, r *http.Request, _ http.Handler) { denied(w, r) }))
	s := settingsFor(servertest.GCS(t))
	s.Anonymous, s.CredentialsJSON = false, config.NewSecret(strings.Replace(text, "http://127.0.0.1:1/token", proxy.URL, 1))
	if err := opened(t, s).Check(t.Context()); fault.KindOf(err) != fault.Unauthenticated || !strings.Contains(fault.MessageOf(err), "credentials_json") {
		t.Errorf("%v: %v", fault.KindOf(err), err)
	}
}
