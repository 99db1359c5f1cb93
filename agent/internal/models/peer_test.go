package models

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/agent/internal/peers"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/peer"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// neighbour serves the models in a folder to other hosts. It returns what a host with the
// key is told of a file there.
func neighbour(t *testing.T, modelsDir string) (*peers.Server, func(reader ed25519.PrivateKey, file []byte) work.Peer) {
	t.Helper()
	key, issuer := hostKey(t), hostKey(t)
	server, err := peers.Listen(t.Context(), peers.Options{
		Listen: "127.0.0.1:0", Key: key, HostID: func() string { return "h_1" }, ModelsDir: func() string { return modelsDir }, Fetching: func() bool { return true }, Log: hclog.NewNullLogger(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Trust(issuer.Public().(ed25519.PublicKey))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return server, func(reader ed25519.PrivateKey, file []byte) work.Peer {
		ticket := peer.Ticket{Host: "h_1", Reader: reader.Public().(ed25519.PublicKey), SHA256: shaOf(file), Expires: time.Now().Add(time.Hour).Unix()}
		return work.Peer{URL: ticket.URL(server.Address, issuer), PublicKey: key.Public().(ed25519.PublicKey)}
	}
}

func hostKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// among gives an executor a host's key to prove.
func among(t *testing.T, e *Executor) ed25519.PrivateKey {
	t.Helper()
	key := hostKey(t)
	pass, err := peers.NewPass(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	e.host.PassCertificate, e.host.PassKey = pass.Certificate, pass.Key
	e.timing.PeerStall = 20 * time.Second
	return key
}

func withPeers(job *work.Job, at ...work.Peer) *work.Job {
	source := job.Sources["model.gguf"]
	source.Peers = at
	job.Sources["model.gguf"] = source
	return job
}

// TestAModelGoesOnFromHostToHost has three Ollamas, of which the last gets a model from the
// second while that is getting it from the first, for each of the ways in which Ollama may
// write what it fetches.
func TestAModelGoesOnFromHostToHost(t *testing.T) {
	t.Parallel()
	for name, through := range map[string]string{"oldest": realollama.Bin(t), "newest": realollama.Newest(t)} {
		t.Run(name, func(t *testing.T) { goOn(t, through) })
	}
}

func goOn(t *testing.T, bin string) {
	first, second, third := realollama.Serve(t, realollama.Bin(t)), realollama.Serve(t, bin), realollama.Serve(t, realollama.Bin(t))
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	if _, err := executor(t, first).Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	from, ofFirst := neighbour(t, first.ModelsDir)
	through, ofSecond := neighbour(t, second.ModelsDir)
	e2, e3 := executor(t, second), executor(t, third)
	key2, key3 := among(t, e2), among(t, e3)
	slow := withPeers(plain("tiny", file, o.URL+"/m"), ofFirst(key2, file))
	slow.MaxBytesPerSecond = int64(len(file)) / 3
	ended := make(chan error, 1)
	go func() {
		_, err := e2.Run(t.Context(), slow)
		ended <- err
	}()
	_, err := e3.Run(t.Context(), withPeers(plain("tiny", file, o.URL+"/m"), ofSecond(key3, file)))
	if err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if sent := o.bytes.Load(); sent != int64(len(file)) {
		t.Errorf("%d bytes came from where the model is stored, which has %d", sent, len(file))
	}
	if from.SentBytes() < int64(len(file)) || through.SentBytes() < int64(len(file)) {
		t.Errorf("%d bytes came from the first, %d from the second", from.SentBytes(), through.SentBytes())
	}
	if said := ask(t, third, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

// TestAModelOfSeveralFilesComesFromAHostThatHasIt has one Ollama get a model in two files,
// another one get it from that, and a third from there while the host has wrong bytes.
func TestAModelOfSeveralFilesComesFromAHostThatHasIt(t *testing.T) {
	t.Parallel()
	first, second := realollama.Serve(t, realollama.Bin(t)), realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	half := len(file) / 2
	o := newOrigin(t, map[string][]byte{"a": file[:half], "b": file[half:]})
	job := func() *work.Job {
		job := plain("tiny", file)
		job.Recipe.Layers[0].Parts = []loader.Part{{File: "a", LengthBytes: int64(half)}, {File: "b", LengthBytes: int64(len(file) - half)}}
		job.Sources = map[string]work.Source{
			"a": {SizeBytes: int64(half), URLs: []string{o.URL + "/a"}},
			"b": {SizeBytes: int64(len(file) - half), URLs: []string{o.URL + "/b"}},
		}
		return job
	}
	if _, err := executor(t, first).Run(t.Context(), job()); err != nil {
		t.Fatal(err)
	}
	if sent := o.bytes.Load(); sent != int64(len(file)) {
		t.Errorf("%d bytes came of a model of %d whose digest is known", sent, len(file))
	}
	from, of := neighbour(t, first.ModelsDir)
	e := executor(t, second)
	next := job()
	next.Peers = map[string][]work.Peer{shaOf(file): {of(among(t, e), file)}}
	if _, err := e.Run(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if sent := o.bytes.Load(); sent != int64(len(file)) || from.SentBytes() != int64(len(file)) {
		t.Errorf("%d bytes came from where the model is stored, %d from the host that has it", sent, from.SentBytes())
	}
	if said := ask(t, second, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}

	third := realollama.Serve(t, realollama.Bin(t))
	wrong := append([]byte(nil), file...)
	wrong[half] ^= 1
	blob := filepath.Join(first.ModelsDir, "blobs", "sha256-"+shaOf(file))
	if err := os.WriteFile(blob, wrong, 0o644); err != nil {
		t.Fatal(err)
	}
	e = executor(t, third)
	last := job()
	last.Peers = map[string][]work.Peer{shaOf(file): {of(among(t, e), file)}}
	if _, err := e.Run(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if sent := o.bytes.Load(); sent != 2*int64(len(file)) {
		t.Errorf("%d bytes came from where the model is stored, after wrong ones", sent)
	}
	if said := ask(t, third, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

func TestAHostWithWrongBytes(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "blobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	wrong := append([]byte(nil), file...)
	wrong[len(wrong)/2] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256-"+shaOf(file)), wrong, 0o644); err != nil {
		t.Fatal(err)
	}
	liar, of := neighbour(t, dir)
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	key := among(t, e)
	if _, err := e.Run(t.Context(), withPeers(plain("tiny", file, o.URL+"/m"), of(key, file))); err != nil {
		t.Fatal(err)
	}
	if liar.SentBytes() != int64(len(file)) || o.bytes.Load() != int64(len(file)) {
		t.Errorf("%d bytes came from the host with wrong ones, %d from where it is stored", liar.SentBytes(), o.bytes.Load())
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

// TestWhatHasNoDigestComesFromNoOtherHost has a recipe that doesn't say the digest of
// what it makes of a part of the file.
func TestWhatHasNoDigestComesFromNoOtherHost(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "blobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	longer := append(append([]byte(nil), file...), "more"...)
	if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256-"+shaOf(longer)), longer, 0o644); err != nil {
		t.Fatal(err)
	}
	other, of := neighbour(t, dir)
	o := newOrigin(t, map[string][]byte{"m": longer})
	e := executor(t, s)
	key := among(t, e)
	job := withPeers(plain("tiny", file, o.URL+"/m"), of(key, longer))
	job.Recipe.Layers[0].SHA256 = ""
	source := job.Sources["model.gguf"]
	source.SizeBytes, source.SHA256 = int64(len(longer)), shaOf(longer)
	job.Sources["model.gguf"] = source
	if _, err := e.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if other.SentBytes() > 0 || o.bytes.Load() == 0 {
		t.Errorf("%d bytes came from another host, %d from where it is stored", other.SentBytes(), o.bytes.Load())
	}
}

// TestWhatIsCreatedComesFromNoOtherHost has models that Ollama makes of files that it is
// sent: a wrong one of these would not be fetched anew.
func TestWhatIsCreatedComesFromNoOtherHost(t *testing.T) {
	t.Parallel()
	file := tiny(t, tinymodel.Options{})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "blobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256-"+shaOf(file)), file, 0o644); err != nil {
		t.Fatal(err)
	}
	other, of := neighbour(t, dir)
	o := newOrigin(t, map[string][]byte{"m": file})
	e := New(order.Host{Ollama: "http://127.0.0.1:1", DataDir: t.TempDir()}, nil, &Progress{}, hclog.NewNullLogger())
	t.Cleanup(e.Close)
	key := among(t, e)
	for name, change := range map[string]func(*loader.Recipe){
		"as it is":     func(*loader.Recipe) {},
		"of a model":   func(r *loader.Recipe) { r.From = "base" },
		"with a draft": func(r *loader.Recipe) { r.Layers[0].Role = loader.RoleDraft },
		"quantised":    func(r *loader.Recipe) { r.Quantize = "q8_0" },
	} {
		job := withPeers(plain("tiny", file, o.URL+"/m"), of(key, file))
		change(job.Recipe)
		before := other.SentBytes()
		from, err := e.source(job)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := layersOf(job, from, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := layers[0].Open(t.Context(), 0, layers[0].SizeBytes())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || shaOf(got) != shaOf(file) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		body.Close()
		from.Close()
		if came := other.SentBytes() - before; (came > 0) != (name == "as it is") {
			t.Errorf("%s: %d bytes came from the other host", name, came)
		}
	}
}
