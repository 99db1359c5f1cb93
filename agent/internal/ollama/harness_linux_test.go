package ollama

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire"
)

// roleAgent is the subcommand under which the test program plays an agent with
// one instance until it is killed. Its arguments are the program and the folder.
const roleAgent = "test-agent"

// roleOllama is the subcommand under which it plays an Ollama.
const roleOllama = "test-ollama"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case keeper.Subcommand:
			os.Exit(keeper.Main(os.Stdin, os.NewFile(keeper.ReportFD, "reports")))
		case roleAgent:
			os.Exit(playAgent(os.Args[2], os.Args[3]))
		case roleOllama:
			os.Exit(playOllama(os.Args[2], os.Args[3], os.Args[4]))
		}
	}
	os.Exit(m.Run())
}

func playAgent(bin, dir string) int {
	s, err := New(quick(Config{Mode: ModeManaged, Bin: bin, URL: "http://127.0.0.1:0", DataDir: dir}), hclog.NewNullLogger())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	go func() {
		for range s.Changed() {
			if at, ok := s.Endpoint(); ok {
				fmt.Println(at)
			}
		}
	}()
	if err := s.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	return 1
}

// quick shortens all periods, so that a test sees in a second what takes minutes.
func quick(c Config) Config {
	c.Instance = "default"
	if c.Settings.ModelsDir == "" {
		c.Settings.ModelsDir = filepath.Join(c.DataDir, "models")
	}
	c.Restarts.MinDelay = 10 * time.Millisecond
	orDefault(&c.Restarts.MaxDelay, 50*time.Millisecond)
	c.Timing.VersionEvery = 100 * time.Millisecond
	orDefault(&c.Timing.VersionTimeout, time.Second)
	c.Timing.TagsEvery = time.Hour // only when asked to
	c.Timing.LoadedEvery = 50 * time.Millisecond
	c.Timing.StallsEvery = 20 * time.Millisecond
	orDefault(&c.Timing.ProbeEvery, time.Hour)
	c.Timing.ReadyEvery = 10 * time.Millisecond
	c.Timing.BlockedRetry = 200 * time.Millisecond
	c.Timing.StallHold = 300 * time.Millisecond
	orDefault(&c.Stalls.FirstToken, 20*time.Second)
	orDefault(&c.Stalls.Token, time.Second)
	return c
}

// subject is a supervisor that runs.
type subject struct {
	*Supervisor
	t      *testing.T
	stop   context.CancelFunc
	result chan error
}

// supervise runs a supervisor until the test ends.
func supervise(t *testing.T, c Config) *subject {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	if len(c.Keeper) == 0 {
		// This very program, without the second that the race detector
		// otherwise sleeps before the process ends.
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c.Keeper = []string{"/usr/bin/env", "GORACE=atexit_sleep_ms=0", self, keeper.Subcommand}
	}
	s, err := New(quick(c), testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	sub := &subject{Supervisor: s, t: t, stop: stop, result: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sub.result <- s.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		for _, p := range sub.processes() {
			t.Errorf("left after Run: %+v", p)
		}
	})
	return sub
}

func testLogger(t *testing.T) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: testLog{t}, DisableTime: true})
}

// testLog writes log lines to the test's log.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// processes returns all that runs for the instance.
func (s *subject) processes() []procs.Process {
	s.t.Helper()
	marked, err := procs.Marked("CORRAL_OWNER=" + s.owner())
	if err != nil {
		s.t.Fatal(err)
	}
	return marked
}

// await returns the first snapshot of which ok holds.
func (s *subject) await(what string, ok func(i wire.Instance) bool) wire.Instance {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		if i := s.Snapshot(); ok(i) {
			return i
		}
		select {
		case <-s.Changed():
		case err := <-s.result:
			s.t.Fatalf("Run returned %v before it was %s", err, what)
		case <-timeout:
			s.t.Fatalf("not %s: %+v", what, s.Snapshot())
		}
	}
}

func (s *subject) awaitState(state, reason string) wire.Instance {
	s.t.Helper()
	return s.await(strings.TrimSpace(state+" "+reason), func(i wire.Instance) bool { return i.State == state && i.Reason == reason })
}

func (s *subject) awaitReady() wire.Instance {
	s.t.Helper()
	return s.awaitState(wire.InstanceReady, "")
}

// awaitNext waits for an Ollama that serves and is another one than before.
func (s *subject) awaitNext(before wire.Instance) wire.Instance {
	s.t.Helper()
	return s.await("ready again", func(i wire.Instance) bool {
		return i.State == wire.InstanceReady && i.PID != before.PID
	})
}

func (s *subject) url() string {
	s.t.Helper()
	at, ok := s.Endpoint()
	if !ok {
		s.t.Fatalf("there is no endpoint: %+v", s.Snapshot())
	}
	return "http://" + at
}

func post(t *testing.T, url string, body any) *http.Response {
	t.Helper()
	content, isReader := body.(io.Reader)
	if !isReader {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(b)
	}
	resp, err := http.Post(url, "application/json", content)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode/100 != 2 {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s: %s", url, resp.Status, b)
	}
	return resp
}

// createModel has an Ollama make a model that says the reply, once or for ever.
func createModel(t *testing.T, base, name string, o tinymodel.Options) {
	t.Helper()
	var file bytes.Buffer
	if err := tinymodel.Write(&file, o); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(file.Bytes()))
	post(t, base+"/api/blobs/"+digest, &file)
	made := post(t, base+"/api/create", map[string]any{
		"model": name, "files": map[string]string{name + ".gguf": digest}, "parameters": map[string]any{"num_thread": 1}, "stream": false,
	})
	if _, err := io.ReadAll(made.Body); err != nil {
		t.Fatal(err)
	}
}

const reply = "Yes, it works."

// chat asks a model and returns what it says.
func chat(t *testing.T, base, model string) string {
	t.Helper()
	resp := post(t, base+"/api/chat", map[string]any{
		"model": model, "stream": false, "messages": []map[string]string{{"role": "user", "content": "Does it work?"}},
	})
	var answer struct{ Message struct{ Content string } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Message.Content
}

// relayed is a chat that does not end by itself, relayed as the agent does it.
type relayed struct {
	body  *bufio.Reader
	raw   io.Closer
	ended chan struct{}
}

// leave has its reader leave.
func (r *relayed) leave() {
	r.raw.Close()
	<-r.ended
}

// relay begins a chat, returns when its first pieces are there, and goes on
// reading until the answer ends.
func (s *subject) relay(model string) *relayed {
	s.t.Helper()
	r, err := s.begin(model)
	if err != nil {
		s.t.Fatalf("the chat did not begin: %v", err)
	}
	return r
}

// impatient gives a request up that is not answered at all.
var impatient = http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 5 * time.Second, DisableKeepAlives: true}}

// begin is relay, for a chat that may be refused, end at once or not begin.
func (s *subject) begin(model string) (*relayed, error) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"model": model, "options": map[string]any{"num_predict": -1},
		"messages": []map[string]string{{"role": "user", "content": "Go on."}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cut := context.WithCancelCause(context.Background())
	s.t.Cleanup(func() { cut(nil) })
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/api/chat", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	g := s.Progress().Begin()
	g.OnLost(cut)
	resp, err := impatient.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = errors.New(resp.Status)
	}
	if err != nil {
		g.End(false)
		return nil, err
	}
	r := &relayed{body: bufio.NewReader(resp.Body), raw: resp.Body, ended: make(chan struct{})}
	begun := make(chan struct{})
	go func() {
		defer close(r.ended)
		defer g.End(false)
		for n := 0; ; n++ {
			if n == 5 {
				close(begun)
			}
			if _, err := r.body.ReadString('\n'); err != nil {
				return
			}
			g.Advance()
		}
	}()
	s.t.Cleanup(r.leave)
	select {
	case <-begun:
		return r, nil
	case <-r.ended:
		return nil, errors.New("it ended at once")
	case <-time.After(5 * time.Second):
		return nil, errors.New("it stands still")
	}
}

func (s *subject) runner(serve uint32) runner {
	s.t.Helper()
	runners := runnersOf(int(serve))
	if len(runners) != 1 {
		s.t.Fatalf("%d runners, want 1: %v", len(runners), runners)
	}
	return runners[0]
}

// awaitGone waits for the end of a process that is not ours to wait for.
func awaitGone(t *testing.T, p procs.Process, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		now, err := procs.Read(p.PID)
		if err != nil || now.Start != p.Start || !now.Running() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s (%d) still runs after %v", p.Name, p.PID, within)
		}
	}
}
