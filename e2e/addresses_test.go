package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// front is a proxy in front of a control plane: it passes connections on as
// they are, or ends TLS with a certificate of its own.
type front struct {
	address string

	mu      sync.Mutex
	came    int
	open    []net.Conn
	working sync.WaitGroup
	stop    func()
}

// startFront starts a proxy to target; config nil passes everything on.
func startFront(t *testing.T, target string, config *tls.Config) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{address: listener.Addr().String()}
	accept := listener
	if config != nil {
		accept = tls.NewListener(listener, config)
	}
	f.working.Go(func() {
		for {
			here, err := accept.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", target)
			if err != nil {
				here.Close()
				continue
			}
			f.mu.Lock()
			f.came++
			f.open = append(f.open, here, there)
			f.mu.Unlock()
			f.working.Go(func() { io.Copy(there, here); there.Close() })
			f.working.Go(func() { io.Copy(here, there); here.Close() })
		}
	})
	f.stop = sync.OnceFunc(func() {
		listener.Close()
		f.mu.Lock()
		for _, conn := range f.open {
			conn.Close()
		}
		f.mu.Unlock()
		f.working.Wait()
	})
	t.Cleanup(f.stop)
	return f
}

func (f *front) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.came
}

// TestSeveralAddresses takes from an agent the address by which it is connected.
func TestSeveralAddresses(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	one, two := startFront(t, controlplane.Address, nil), startFront(t, controlplane.Address, nil)
	lab.Start(corraltest.Command{Path: corraltest.Bin(t, "corral-agent"), Args: []string{
		"run", "--data-dir", lab.Folder("host"), "--server", "https://" + one.address + ",https://" + two.address,
		"--token", controlplane.Token(), "--name", "host", "--ollama-mode", "attached", "--ollama-url", "http://127.0.0.1:1",
	}})
	first := controlplane.AwaitHost(connectLimit, "host", "is connected", corraltest.Reachable)
	if one.connections() != 1 || two.connections() != 0 {
		t.Errorf("%d and %d connections, want one by the first address", one.connections(), two.connections())
	}
	one.stop()
	controlplane.AwaitHost(connectLimit, "host", "is back", func(h *client.Host) bool { return corraltest.Reachable(h) && h.ConnectedAt.After(first.ConnectedAt) })
	if two.connections() != 1 {
		t.Errorf("%d connections by the second address", two.connections())
	}
}

// issue makes an authority and a certificate by it for a name.
func issue(t *testing.T, name string) (authority []byte, certificate tls.Certificate) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rootKey, leafKey := key(), key()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "company authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, leafKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}
}

// TestBehindAProxyThatEndsTLS joins and runs through a proxy with a certificate
// of its own, which is refused until the agent is told whom to trust.
func TestBehindAProxyThatEndsTLS(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	authority, certificate := issue(t, "localhost")
	proxy := startFront(t, controlplane.Address, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}})
	_, port, err := net.SplitHostPort(proxy.address)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(lab.Folder("ca"))
	if err := os.WriteFile(file, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := lab.Folder("host")
	join := []string{
		"join", "--yes", "--data-dir", folder, "--server", "https://localhost:" + port, "--token", controlplane.Token(),
		"--ollama-url", "http://127.0.0.1:1", "--name", "behind",
	}
	wantCommand(t, 1, []string{"not the control plane that made this token"}, "corral-agent", join...)
	wantCommand(t, 0, []string{"Joined https://localhost"}, "corral-agent", append(join, "--server-ca-file", file)...)
	run := []string{"run", "--data-dir", folder, "--ollama-mode", "attached", "--ollama-url", "http://127.0.0.1:1"}
	refused := lab.Start(corraltest.Command{Path: corraltest.Bin(t, "corral-agent"), Args: run})
	refused.AwaitLog(connectLimit, "not connected to the control plane")
	refused.Stop()
	agent := lab.Start(corraltest.Command{Path: corraltest.Bin(t, "corral-agent"), Args: append(run, "--server-ca-file", file)})
	controlplane.AwaitHost(connectLimit, "behind", "is connected", corraltest.Reachable)
	agent.Stop()
}
