package fetch

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/peers"
	"github.com/corral-fleet/corral/sdk/wire/peer"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// neighbour is another host that serves what it has.
type neighbour struct {
	*peers.Server

	key    ed25519.PrivateKey
	issuer ed25519.PrivateKey // of tickets
	blobs  string
	stop   func()
}

func newNeighbour(t *testing.T) *neighbour {
	t.Helper()
	dir := t.TempDir()
	n := &neighbour{key: newKey(t), issuer: newKey(t), blobs: filepath.Join(dir, "blobs")}
	if err := os.Mkdir(n.blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := peers.Listen(t.Context(), peers.Options{
		Listen: "127.0.0.1:0", Key: n.key, HostID: func() string { return "h_1" }, ModelsDir: func() string { return dir }, Fetching: func() bool { return true }, Log: hclog.NewNullLogger(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Server = server
	n.Trust(n.issuer.Public().(ed25519.PublicKey))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// has puts a blob there, under the digest of what it should be.
func (n *neighbour) has(t *testing.T, should, is []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.blobs, "sha256-"+digestOf(should)), is, 0o644); err != nil {
		t.Fatal(err)
	}
}

// gets has a blob be fetched there, of which so much has come.
func (n *neighbour) gets(t *testing.T, file []byte, came int) {
	t.Helper()
	path := filepath.Join(n.blobs, "sha256-"+digestOf(file)+"-partial")
	note := fmt.Sprintf(`{"N":0,"Offset":0,"Size":%d,"Completed":%d}`, len(file), came)
	if err := os.WriteFile(path+"-0", []byte(note), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file[:came], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(file))); err != nil {
		t.Fatal(err)
	}
}

// as says for a host with a key where a file is.
func (n *neighbour) as(reader ed25519.PrivateKey, file []byte) work.Peer {
	ticket := peer.Ticket{Host: "h_1", Reader: reader.Public().(ed25519.PublicKey), SHA256: digestOf(file), Expires: time.Now().Add(time.Hour).Unix()}
	return work.Peer{URL: ticket.URL(n.Address, n.issuer), PublicKey: n.key.Public().(ed25519.PublicKey)}
}

// among has a client of a host with a key of its own.
func among(t *testing.T) (*Client, ed25519.PrivateKey) {
	t.Helper()
	key := newKey(t)
	pass, err := peers.NewPass(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	timing := quick()
	timing.PeerStall = 300 * time.Millisecond
	return client(t, Options{PassCertificate: pass.Certificate, PassKey: pass.Key, Timing: timing}), key
}

// shared returns a file that other hosts and a website have, and how often the latter was
// asked.
func shared(t *testing.T, c *Client, file []byte, among ...work.Peer) (*File, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	s := server(t, file, func(n int64, _ http.ResponseWriter, _ *http.Request) bool {
		asked.Store(n)
		return false
	})
	f, err := c.File("model.gguf", work.Source{SizeBytes: int64(len(file)), SHA256: digestOf(file), URLs: []string{s.URL}, Peers: among})
	if err != nil {
		t.Fatal(err)
	}
	return f, &asked
}

func TestAnotherHostIsAskedFirst(t *testing.T) {
	file := junk(1 << 20)
	n := newNeighbour(t)
	n.has(t, file, file)
	c, key := among(t)
	f, asked := shared(t, c, file, n.as(key, file))
	mustRead(t, f, file, 0)
	mustRead(t, f, file[70_000:], 70_000)
	if asked.Load() > 0 || n.SentBytes() != int64(2*len(file)-70_000) {
		t.Errorf("the website was asked %d times, and %d bytes came from the other host", asked.Load(), n.SentBytes())
	}
	if !f.Distrust() {
		t.Error("nothing came from the other host")
	}
	mustRead(t, f, file, 0)
	if asked.Load() != 1 || f.Distrust() {
		t.Errorf("the website was asked %d times when the other host was not to be", asked.Load())
	}
}

func TestAHostThatDoesNotHaveIt(t *testing.T) {
	file := junk(100_000)
	n, other := newNeighbour(t), newNeighbour(t)
	n.has(t, file, file)
	other.has(t, file, file)
	c, key := among(t)
	forged := n.as(key, file)
	forged.PublicKey = other.as(key, file).PublicKey
	stranger := n.as(newKey(t), file)
	closed := n.as(key, file)
	closed.URL = "https://127.0.0.1:1/" + digestOf(file)
	for name, p := range map[string]work.Peer{
		"it is another host": forged, "the ticket is another's": stranger, "nobody listens": closed,
		"the ticket is of another control plane": {URL: other.as(key, file).URL, PublicKey: n.as(key, file).PublicKey},
	} {
		f, asked := shared(t, c, file, p)
		mustRead(t, f, file, 0)
		if asked.Load() != 1 {
			t.Errorf("%s: the website was asked %d times", name, asked.Load())
		}
	}
	if n.SentBytes()+other.SentBytes() > 0 {
		t.Errorf("%d and %d bytes were sent", n.SentBytes(), other.SentBytes())
	}
	if _, err := c.File("m", work.Source{SizeBytes: 1, Peers: []work.Peer{{URL: "http://127.0.0.1/", PublicKey: forged.PublicKey}}}); err == nil {
		t.Error("without TLS it is asked")
	}
	f, asked := shared(t, client(t, Options{}), file, n.as(key, file))
	mustRead(t, f, file, 0)
	if asked.Load() != 1 {
		t.Error("without a pass another host is asked")
	}
}

func TestAHostThatHasNoMoreOfIt(t *testing.T) {
	file := junk(2 << 20)
	n := newNeighbour(t)
	n.gets(t, file, 1<<20)
	c, key := among(t)
	f, asked := shared(t, c, file, n.as(key, file))
	mustRead(t, f, file, 0)
	if asked.Load() != 1 || n.SentBytes() != 1<<20 {
		t.Errorf("the website was asked %d times, and %d bytes came from the other host", asked.Load(), n.SentBytes())
	}
}

func TestAHostThatEndsUnderWay(t *testing.T) {
	file := junk(2 << 20)
	n := newNeighbour(t)
	n.gets(t, file, 1<<20)
	c, key := among(t)
	var sent atomic.Int64
	s := server(t, file, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		var from int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		sent.Add(int64(len(file) - from))
		return false
	})
	f, err := c.File("model.gguf", work.Source{SizeBytes: int64(len(file)), URLs: []string{s.URL}, Peers: []work.Peer{n.as(key, file)}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(t.Context(), 0, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	n.stop()
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(got, rest...), file) {
		t.Errorf("%d bytes came, %v", len(got)+len(rest), err)
	}
	if sent.Load() != 1<<20 {
		t.Errorf("%d bytes came from the website", sent.Load())
	}
}
