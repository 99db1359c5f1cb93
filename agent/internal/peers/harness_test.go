package peers

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/wire/peer"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// junk is content without a zero in it: what wasn't written yet is seen.
func junk(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] |= 1
	}
	return b
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// rig is a server of the host "h_1", its control plane's key, and another host.
type rig struct {
	*Server

	t      *testing.T
	dir    string // of models
	issuer ed25519.PrivateKey
	other  ed25519.PrivateKey
	stop   func()
}

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), issuer: newKey(t), other: newKey(t)}
	if err := os.Mkdir(filepath.Join(r.dir, "blobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Listen: "127.0.0.1:0", Key: newKey(t), HostID: func() string { return "h_1" }, ModelsDir: func() string { return r.dir },
		Fetching: func() bool { return true }, Log: hclog.NewNullLogger(), Now: time.Now,
	}
	for _, c := range change {
		c(&o)
	}
	server, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = server
	r.Trust(publicOf(r.issuer))
	r.timing.appear, r.timing.still = patience, patience
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	go func() { ended <- server.Run(ctx) }()
	return r
}

// put has a whole blob be there.
func (r *rig) put(content []byte) (digest string) {
	r.t.Helper()
	digest = digestOf(content)
	if err := os.WriteFile(r.path(digest), content, 0o644); err != nil {
		r.t.Fatal(err)
	}
	return digest
}

func (r *rig) path(digest string) string { return filepath.Join(r.dir, "blobs", "sha256-"+digest) }

// ticket is a good one for the other host.
func (r *rig) ticket(digest string) *peer.Ticket {
	return &peer.Ticket{Host: "h_1", Reader: publicOf(r.other), SHA256: digest, Expires: time.Now().Add(time.Hour).Unix()}
}

// client asks with a pass by a key; nil is none.
func (r *rig) client(key ed25519.PrivateKey) *http.Client {
	r.t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
		if !publicOf(r.Key).Equal(state.PeerCertificates[0].PublicKey) {
			return fmt.Errorf("the server proves another key")
		}
		return nil
	}}
	if key != nil {
		pass, err := NewPass(key, time.Now())
		if err != nil {
			r.t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(pass.Certificate, pass.Key)
		if err != nil {
			r.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// do sends a request; the body is the caller's to close.
func (r *rig) do(client *http.Client, method, url, span string) (*http.Response, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if span != "" {
		req.Header.Set("Range", span)
	}
	return client.Do(req)
}

// get reads all of an answer.
func (r *rig) get(client *http.Client, url, span string) (status int, body []byte, err error) {
	r.t.Helper()
	res, err := r.do(client, http.MethodGet, url, span)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// download is a blob that Ollama is fetching, as it does that.
type download struct {
	t       *testing.T
	path    string
	content []byte
	file    *os.File
	parts   []part
	done    []int64 // that are written of each
}

// begin lays a blob out in parts of so many bytes.
func (r *rig) begin(content []byte, partBytes int64) *download {
	r.t.Helper()
	d := &download{t: r.t, path: r.path(digestOf(content)), content: content}
	size := int64(len(content))
	for at := int64(0); at < size; at += partBytes {
		d.parts = append(d.parts, part{N: len(d.parts), Offset: at, Size: min(partBytes, size-at)})
		d.note(len(d.parts) - 1)
	}
	d.done = make([]int64, len(d.parts))
	f, err := os.OpenFile(partialOf(d.path), os.O_CREATE|os.O_RDWR, 0o644)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	d.file = f
	return d
}

func (d *download) note(n int) {
	d.t.Helper()
	text, err := json.Marshal(d.parts[n])
	if err == nil {
		err = os.WriteFile(fmt.Sprintf("%s-%d", partialOf(d.path), n), text, 0o644)
	}
	if err != nil {
		d.t.Error(err)
	}
}

// come writes the next bytes of a part, and reports whether it is whole.
func (d *download) come(n int, count int64) (whole bool) {
	d.t.Helper()
	p := &d.parts[n]
	for left := min(count, p.Size-d.done[n]); left > 0; {
		at, piece := p.Offset+d.done[n], min(left, 32<<10)
		if _, err := d.file.WriteAt(d.content[at:at+piece], at); err != nil {
			d.t.Error(err)
			return true
		}
		d.done[n] += piece
		left -= piece
	}
	if d.done[n] == p.Size && p.Completed < p.Size {
		p.Completed = p.Size
		d.note(n)
	}
	return d.done[n] == p.Size
}

// end gives the blob its name.
func (d *download) end() {
	d.t.Helper()
	for n := range d.parts {
		d.come(n, d.parts[n].Size)
	}
	for n := range d.parts {
		if err := os.Remove(fmt.Sprintf("%s-%d", partialOf(d.path), n)); err != nil {
			d.t.Error(err)
		}
	}
	if err := os.Rename(partialOf(d.path), d.path); err != nil {
		d.t.Error(err)
	}
}

// same says where two contents differ.
func same(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Errorf("%s: byte %d of %d is wrong", what, i, len(want))
			return
		}
	}
	t.Errorf("%s: %d bytes came of %d", what, len(got), len(want))
}
