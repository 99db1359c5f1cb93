package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/wire"
)

// serve answers TLS handshakes on loopback until the test ends.
func serve(t *testing.T, a *Authority) (address string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", a.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client says what it thought of it
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return listener.Addr().String()
}

// shake connects and returns the server's certificate.
func shake(t *testing.T, address string, config *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the handshake is all that is looked at
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// byToken is how an agent that knows nothing but its join token verifies a
// server: the chain must hold the authority that the token names, and the
// authority must have signed the server's certificate.
func byToken(token wire.JoinToken, now time.Time) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // replaced by VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			roots := x509.NewCertPool()
			for _, c := range state.PeerCertificates[1:] {
				if token.Names(c) {
					roots.AddCert(c)
				}
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: wire.ServerName, CurrentTime: now})
			return err
		},
	}
}

func TestAnAgentWithATokenAloneVerifiesTheServer(t *testing.T) {
	a, impostor := loadAt(t, t.TempDir(), noon()), loadAt(t, t.TempDir(), noon())
	token := wire.NewJoinToken(a.Certificate())
	for _, wrong := range []time.Duration{0, -71 * time.Hour, 90 * day} {
		if _, err := shake(t, serve(t, a), byToken(token, noon().Add(wrong))); err != nil {
			t.Errorf("with a clock that is wrong by %v: %v", wrong, err)
		}
	}
	if _, err := shake(t, serve(t, impostor), byToken(token, noon())); err == nil {
		t.Error("another authority's server was taken for this one")
	}
}

func TestTheServerIsKnownByItsNames(t *testing.T) {
	a := loadAt(t, t.TempDir(), time.Now())
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CertificatePEM()) {
		t.Fatal("the authority's PEM holds no certificate")
	}
	address := serve(t, a)
	for _, name := range []string{wire.ServerName, "localhost", "127.0.0.1", "::1"} {
		if _, err := shake(t, address, &tls.Config{RootCAs: roots, ServerName: name}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if _, err := shake(t, address, &tls.Config{RootCAs: roots, ServerName: "example.com"}); err == nil {
		t.Error("the server is taken for example.com")
	}
	if _, err := shake(t, address, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestTheServerCertificateIsRenewed(t *testing.T) {
	var offset atomic.Int64
	now := func() time.Time { return noon().Add(time.Duration(offset.Load())) }
	dir := t.TempDir()
	a, err := Load(dir, now, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	address, token := serve(t, a), wire.NewJoinToken(a.Certificate())
	renewed := func(after time.Duration) (*x509.Certificate, error) {
		t.Helper()
		offset.Store(int64(after))
		err := a.renew()
		shown, shakeErr := shake(t, address, byToken(token, now()))
		if shakeErr != nil {
			t.Fatal(shakeErr)
		}
		return shown, err
	}
	first, err := renewed(200 * day)
	if err != nil || !first.Equal(loadAt(t, dir, noon()).server.Load().Leaf) {
		t.Errorf("a certificate with time left was renewed (%v)", err)
	}
	second, err := renewed(300 * day)
	if err != nil || second.Equal(first) || second.NotAfter.Before(now().Add(300*day)) {
		t.Errorf("the certificate at its end was not renewed (%v)", err)
	}
	if kept := loadAt(t, dir, now()).server.Load().Leaf; !kept.Equal(second) {
		t.Error("the renewed certificate was not stored")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if third, err := renewed(600 * day); err == nil || !third.Equal(second) {
		t.Errorf("where it can't be stored, another one is shown (%v)", err)
	}
}

func TestACertificateNearItsEndIsRenewedAtStart(t *testing.T) {
	dir := t.TempDir()
	first := loadAt(t, dir, noon())
	later := loadAt(t, dir, noon().Add(360*day))
	if later.server.Load().Leaf.Equal(first.server.Load().Leaf) || !later.Certificate().Equal(first.Certificate()) {
		t.Error("want another server certificate by the same authority")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := loadAt(t, t.TempDir(), noon()).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := createFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := createFile(path, []byte("second")); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v, want that it exists", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "first" {
		t.Errorf("the file holds %q (%v)", content, err)
	}
	if err := replaceFile(path, []byte("third")); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "third" {
		t.Errorf("the file holds %q (%v)", content, err)
	}
}
