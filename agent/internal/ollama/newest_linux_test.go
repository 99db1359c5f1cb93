package ollama

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire"
)

// TestNewestOllamaIsSupervised has the newest release keep a model that it
// cannot run: what it tells of the model is understood, and that it fails every
// generation is no reason to start it anew.
func TestNewestOllamaIsSupervised(t *testing.T) {
	s := supervise(t, Config{Mode: ModeManaged, Bin: realollama.Newest(t), URL: "http://127.0.0.1:0", DataDir: t.TempDir()})
	first := s.awaitReady()
	if first.Version == "" || first.PID == 0 {
		t.Errorf("the snapshot is incomplete: %+v", first)
	}
	createModel(t, s.url(), "once", tinymodel.Options{Reply: reply})
	s.Refresh()
	i := s.await("listing its model", func(i wire.Instance) bool { return len(i.Models) == 1 })
	if m := i.Models[0]; m.Name != "once:latest" || m.Digest == "" || m.SizeBytes == 0 || m.Format != "gguf" ||
		m.Family != "llama" || m.Quantization != "F16" || m.ModifiedUnixMillis == 0 {
		t.Errorf("model %+v is incomplete", m)
	}

	at, _ := s.Endpoint()
	c := newClient(at)
	defer c.close()
	if can, err := c.capabilities(t.Context(), "once"); err != nil || !slices.Contains(can, "completion") {
		t.Errorf("the model can do %q, %v; want completion", can, err)
	}
	for range 5 {
		g := s.Progress().Begin()
		status, answer := ask(t, s.url(), "once")
		g.End(false)
		if status != http.StatusInternalServerError || !strings.Contains(answer, "llama-server binary not found") {
			t.Errorf("a chat that can't begin is answered %d %s", status, answer)
		}
	}
	if loaded, err := c.loaded(t.Context()); err != nil || len(loaded) != 0 {
		t.Errorf("it says that it has loaded %+v, %v", loaded, err)
	}
	s.staysReady(first, time.Second)
	if runners := runnersOf(int(first.PID)); len(runners) != 0 {
		t.Errorf("it has runners: %v", runners)
	}
}

// ask begins a chat and returns how it is answered.
func ask(t *testing.T, base, model string) (status int, answer string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": "Hello?"}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(base+"/api/chat", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// staysReady wants the same Ollama to be ready all the time.
func (s *subject) staysReady(first wire.Instance, during time.Duration) {
	s.t.Helper()
	over := time.After(during)
	for {
		i := s.Snapshot()
		if i.State != wire.InstanceReady || i.PID != first.PID || i.RestartCount != 0 || len(i.Restarts) != 0 {
			s.t.Fatalf("it did not stay as it was: %+v", i)
		}
		select {
		case <-s.Changed():
		case <-over:
			return
		}
	}
}
