package e2e

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// meter passes connections on to a server, and counts what that sends.
type meter struct {
	address string
	sent    atomic.Int64
	server  atomic.Value // of a string
}

func newMeter(t *testing.T, server string) *meter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	m := &meter{address: listener.Addr().String()}
	m.server.Store(server)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go m.pass(near)
		}
	}()
	return m
}

func (m *meter) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", m.server.Load().(string))
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near) // an end is all that there is to it
		far.Close()
	}()
	_, _ = io.Copy(near, io.TeeReader(far, m))
}

// Write implements [io.Writer].
func (m *meter) Write(p []byte) (int, error) {
	m.sent.Add(int64(len(p)))
	return len(p), nil
}

// TestAModelGoesOnFromHostToHost brings a model to three hosts at once: it is read once
// from where it is stored. A fourth, which listens for nobody, gets it from them too, and
// the next from none when they are gone.
func TestAModelGoesOnFromHostToHost(t *testing.T) {
	t.Parallel()
	s3 := servertest.S3(t)
	line := newMeter(t, strings.TrimPrefix(s3.Endpoint, "http://"))
	s3.Endpoint = "http://" + line.address
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	c, operator := controlplane.API(), controlplane.As(corraltest.Operator)
	agents := map[string]*corraltest.Agent{}
	start := func(name string, more ...string) {
		agents[name] = controlplane.Agent(corraltest.AgentOptions{Name: name, Args: append(corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models-"+name)), more...)})
	}
	listening := []string{"one", "three", "two"}
	for _, name := range listening {
		start(name, "--peer-listen", "127.0.0.1:0")
	}
	start("quiet")
	for name, agent := range agents {
		if at := agent.AwaitServing(serveLimit).Facts.PeerAddress; (at == "") != (name == "quiet") {
			t.Errorf("others get models from %s at %q", name, at)
		}
	}
	bucket(t, c, s3)
	if got := controlplane.As(corraltest.Admin).Post("/api/config", object{"models": object{"fetch_rate": 16 << 20}}); got.Status != 200 {
		t.Fatalf("the rate: %d %s", got.Status, got.Body)
	}
	content := tiny(t, tinymodel.Options{Dim: 1024, Layers: 4}) // which takes a few seconds at that rate
	upload := client.ModelUpload{
		Name: "mine:1b", Storage: "bucket", Files: []client.UploadFile{{Name: "mine.gguf", Content: bytes.NewReader(content), SizeBytes: int64(len(content))}},
	}
	if _, err := c.UploadModel(t.Context(), upload, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitModel(t, operator, "mine:1b", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	before := line.sent.Load()
	bring := func(hosts ...string) (readBytes int64) {
		t.Helper()
		before := line.sent.Load()
		if got := operator.Post("/api/models/mine:1b/download", object{"hosts": hosts}); got.Status != 202 {
			t.Fatalf("download: %d %s", got.Status, got.Body)
		}
		awaitModel(t, operator, "mine:1b", "is on the hosts", func(m catalogued) bool {
			return m.Progress == nil && !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Contains(on(m), h) })
		})
		return line.sent.Load() - before
	}
	if read := bring(listening...); read < int64(len(content)) || read > int64(len(content))*11/10 {
		t.Errorf("%d bytes were read of a model of %d for three hosts", read, len(content))
	}
	if read := bring("quiet"); read > int64(len(content))/10 {
		t.Errorf("%d bytes were read for a fourth", read)
	}
	if read := line.sent.Load() - before; read > int64(len(content))*12/10 {
		t.Errorf("%d bytes were read in all", read)
	}
	said := controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": "mine:1b", "message": "Who are you?"})
	if said.Status != 200 || !strings.Contains(said.Body, "Hello from Corral") {
		t.Errorf("chat: %d %s", said.Status, said.Body)
	}

	for _, name := range listening {
		agents[name].Kill()
	}
	start("late", "--peer-listen", "127.0.0.1:0")
	agents["late"].AwaitServing(serveLimit)
	if read := bring("late"); read < int64(len(content)) {
		t.Errorf("%d bytes were read when no host was there to get it from", read)
	}
}
