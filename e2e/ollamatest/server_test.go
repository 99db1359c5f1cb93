package ollamatest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// event is a line of a streamed chat.
type event struct {
	Message    struct{ Content string }
	Done       bool
	DoneReason string `json:"done_reason"`
	EvalCount  int    `json:"eval_count"`
	Error      string
}

// chat begins a streamed chat and returns a function that returns the next
// event. The chat ends when ctx does.
func chat(ctx context.Context, t *testing.T, s *ollamatest.Server, model string, limit int) func() event {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"model":    model,
		"messages": []map[string]string{{"role": "user", "content": "Hello! Who are you?"}},
		"options":  map[string]int{"num_predict": limit},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/chat", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("chat with %s: %v", model, err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	return func() event {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("chat with %s: the stream ended: %v", model, lines.Err())
		}
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Error != "" {
			t.Fatalf("chat with %s: %s: %v", model, lines.Bytes(), err)
		}
		return e
	}
}

const unlimited = -1

func TestModelsSayTheirReply(t *testing.T) {
	s := ollamatest.Start(t, ollamatest.Options{})
	f := func(model string, o tinymodel.Options) {
		t.Helper()
		s.Create(model, o)
		want, err := tinymodel.Pieces(o)
		if err != nil {
			t.Fatal(err)
		}
		next := chat(t.Context(), t, s, model, unlimited)
		var said []string
		e := next()
		for ; !e.Done; e = next() {
			said = append(said, e.Message.Content)
		}
		if d := cmp.Diff(want, said); d != "" {
			t.Errorf("%s (-want +got):\n%s", model, d)
		}
		if e.DoneReason != "stop" || e.EvalCount != len(want)+1 {
			t.Errorf("%s ended with %q after %d tokens, want stop after %d", model, e.DoneReason, e.EvalCount, len(want)+1)
		}
	}
	f("demo", tinymodel.Options{})
	f("qwen2", tinymodel.Options{Architecture: tinymodel.Qwen2, Reply: "Grüße, vom zweiten Modell."})
	f("qwen3", tinymodel.Options{Architecture: tinymodel.Qwen3, Reply: "This one runs in Ollama's own engine."})
	f("smallest", tinymodel.Options{Dim: 16, Heads: 2, Layers: 1, FeedForward: 8, Reply: "Small but real."})
	f("deep", tinymodel.Options{Dim: 64, Layers: 128, Reply: "Many layers do not change my mind."})

	if pids := s.RunnerPIDs(); len(pids) == 0 {
		t.Error("models are loaded and no runner is found")
	}
}

func TestEndlessReplyEndsWithItsClient(t *testing.T) {
	s := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=1"}})
	// Left alone, the reply would go on for 655360 tokens: more than a minute.
	s.Create("endless", tinymodel.Options{Loop: true, Dim: 32, ContextLength: 1 << 16})
	ctx, leave := context.WithCancel(t.Context())
	next := chat(ctx, t, s, "endless", unlimited)
	for i := range 100 {
		if want, got := []string{" tick", " tock"}[i%2], next().Message.Content; got != want {
			t.Fatalf("piece %d is %q, want %q", i, got, want)
		}
	}
	leave()
	s.AwaitIdle(time.Second)
}

func TestStopLeavesNoProcess(t *testing.T) {
	f := func(name string, harm func(s *ollamatest.Server, runner int) error) {
		t.Run(name, func(t *testing.T) {
			s := ollamatest.Start(t, ollamatest.Options{})
			s.Create("endless", tinymodel.Options{Loop: true, Dim: 32, ContextLength: 1 << 16})
			chat(t.Context(), t, s, "endless", unlimited)()
			runners := s.RunnerPIDs()
			if len(runners) != 1 {
				t.Fatalf("runners %v, want one", runners)
			}
			if err := harm(s, runners[0]); err != nil {
				t.Fatal(err)
			}
			s.Stop()
			s.Stop() // again, as the end of the test does
			for _, pid := range append(runners, s.PID) {
				if state := stateOf(t, pid); state != "" && state != "Z" {
					t.Errorf("process %d is there in state %s", pid, state)
				}
			}
		})
	}
	f("unharmed", func(*ollamatest.Server, int) error { return nil })
	f("serve killed", func(s *ollamatest.Server, _ int) error { return syscall.Kill(s.PID, syscall.SIGKILL) })
	f("serve stopped", func(s *ollamatest.Server, _ int) error { return syscall.Kill(s.PID, syscall.SIGSTOP) })
	f("runner stopped", func(_ *ollamatest.Server, runner int) error { return syscall.Kill(runner, syscall.SIGSTOP) })
}

// stateOf returns a process's state letter, or nothing when there is no such process.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

func TestNewestReleaseAnswers(t *testing.T) {
	s := ollamatest.Start(t, ollamatest.Options{Bin: ollamatest.Newest(t)})
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || !strings.Contains(string(answer), want) {
			t.Errorf("%s %s: %s %s (%v), want %d with %s", method, path, response.Status, answer, err, status, want)
		}
	}
	f(http.MethodGet, "/api/version", "", http.StatusOK, `"version":"0.`)
	f(http.MethodGet, "/api/tags", "", http.StatusOK, `"models":[]`)
	s.Create("demo", tinymodel.Options{})
	f(http.MethodGet, "/api/tags", "", http.StatusOK, `"name":"demo:latest"`)
	f(http.MethodPost, "/api/show", `{"model": "demo"}`, http.StatusOK, `"capabilities":["completion"]`)
	f(http.MethodPost, "/api/chat", `{"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}`,
		http.StatusInternalServerError, "llama-server binary not found")
	f(http.MethodGet, "/api/ps", "", http.StatusOK, `"models":[]`)
}

func TestWithoutOllamaTheTestFails(t *testing.T) {
	f := func(bin, want string) {
		t.Helper()
		r := &recorder{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			ollamatest.Start(r, ollamatest.Options{Bin: bin})
		}()
		<-ended
		for _, c := range slices.Backward(r.cleanups) {
			c()
		}
		if got := strings.Join(r.failures, "; "); !strings.Contains(got, want) || len(r.failures) != 1 {
			t.Errorf("with %s the test fails with %q, want %q", bin, got, want)
		}
	}
	f(filepath.Join(t.TempDir(), "ollama"), "no such file")
	f("/bin/false", "ended before it listened")
	t.Setenv("CORRAL_OLLAMA_BIN", "/does/not/exist")
	f("", "/does/not/exist")
}
