package ollama

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// fakeOllama answers what a test wants it to: states that last longer, or end
// more exactly, than those of a real one.
type fakeOllama struct {
	*httptest.Server
	mu     sync.Mutex
	loaded string         // of /api/ps
	asked  map[string]int // by path
	posted chan struct{}  // receives after each question about a model
	polled chan struct{}  // receives after each question about what is loaded
}

func startFake(t *testing.T) *fakeOllama {
	t.Helper()
	return startFakeAt(t, "127.0.0.1:0")
}

func startFakeAt(t *testing.T, at string) *fakeOllama {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeOllama{loaded: `{"models":[]}`, asked: map[string]int{}, posted: make(chan struct{}, 1), polled: make(chan struct{}, 1)}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked[r.URL.Path]++
		told := f.posted
		switch r.URL.Path {
		case "/api/ps":
			told = f.polled
		case "/api/version", "/api/tags":
			told = nil
		}
		defer func() {
			select {
			case told <- struct{}{}:
			default: // nobody waits
			}
		}()
		switch r.URL.Path {
		case "/api/version":
			fmt.Fprint(w, `{"version":"9"}`)
		case "/api/ps":
			fmt.Fprint(w, f.loaded)
		case "/api/show":
			fmt.Fprint(w, `{"capabilities":["completion"]}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	f.Listener.Close()
	f.Listener = l
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeOllama) load(expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded = fmt.Sprintf(`{"models":[{"name":"m","digest":"d","expires_at":%q}]}`, expires.Format(time.RFC3339))
}

func (f *fakeOllama) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

// awaitPolls waits for n more questions about what is loaded.
func (f *fakeOllama) awaitPolls(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for ; n > 0; n-- {
		select {
		case <-f.polled:
		case <-deadline:
			t.Fatal("it is not asked what is loaded")
		}
	}
}

func TestALoadExcusesAndItsEndDoesNot(t *testing.T) {
	f := startFake(t)
	s := supervise(t, Config{
		Mode: ModeAttached, URL: f.URL, DataDir: t.TempDir(),
		Stalls: Stalls{FirstToken: 200 * time.Millisecond},
	})
	s.awaitReady()
	g := s.Progress().Begin()
	f.awaitPolls(t, 40) // several times the budget
	if i := s.Snapshot(); i.State != wire.InstanceReady || i.InFlight != 1 {
		t.Errorf("while a model loads: %+v", i)
	}
	f.load(time.Now().Add(time.Hour))
	s.awaitState(wire.InstanceDegraded, "generation_stalled")
	g.End(true)
	s.awaitReady()
}

func TestAStallThatGoesAwayIsForgotten(t *testing.T) {
	f := startFake(t)
	f.load(time.Now().Add(time.Hour))
	s := supervise(t, Config{
		Mode: ModeAttached, URL: f.URL, DataDir: t.TempDir(),
		Stalls: Stalls{FirstToken: 100 * time.Millisecond},
	})
	s.awaitReady()
	g := s.Progress().Begin()
	s.awaitState(wire.InstanceDegraded, "generation_stalled")
	g.End(false)
	s.awaitReady()
}

func TestOnlyModelsThatNeverExpireAreProbed(t *testing.T) {
	f := startFake(t)
	f.load(time.Now().Add(time.Hour))
	s := supervise(t, Config{
		Mode: ModeAttached, URL: f.URL, DataDir: t.TempDir(),
		Timing: Timing{ProbeEvery: 10 * time.Millisecond, ProbeIdle: time.Millisecond},
	})
	s.await("seeing the model", func(i wire.Instance) bool { return len(i.Loaded) == 1 })
	f.awaitPolls(t, 10) // dozens of times at which it could have been probed
	if n := f.count("/api/generate"); n > 0 {
		t.Errorf("a model that expires was probed %d times", n)
	}
	f.load(time.Now().AddDate(290, 0, 0))
	for range 4 { // what the model can do, once, and then probes
		select {
		case <-f.posted:
		case <-time.After(30 * time.Second):
			t.Fatal("a model that never expires is not probed")
		}
	}
	if n := f.count("/api/show"); n != 1 {
		t.Errorf("what the model can do was asked for %d times, want once", n)
	}
	g := s.Progress().Begin()
	defer g.End(false)
	f.awaitPolls(t, 2)
	n := f.count("/api/generate")
	f.awaitPolls(t, 10)
	if now := f.count("/api/generate"); now != n {
		t.Errorf("a busy instance was probed %d times", now-n)
	}
}

// stuckKeeper follows the keeper's protocol for an Ollama that not even SIGKILL
// ends, as one that waits for a dead device, until a file appears.
func stuckKeeper(t *testing.T) (command []string, free string) {
	t.Helper()
	free = filepath.Join(t.TempDir(), "free")
	return []string{"/bin/sh", "-c", `
		read spec
		echo "{\"Kind\":\"started\",\"PID\":$$}" >&3
		read order
		echo "{\"Kind\":\"stuck\",\"Left\":[$$]}" >&3
		while [ ! -e "$0" ]; do sleep 0.02; done
		echo "{\"Kind\":\"exited\",\"Exit\":{\"Code\":-1,\"Signal\":\"killed\"}}" >&3`, free}, free
}

func TestUnkillableOllamaIsToldAndWaitedFor(t *testing.T) {
	keeper, free := stuckKeeper(t)
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: "/bin/sh", Keeper: keeper, URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
		Timing:   Timing{StartTimeout: 50 * time.Millisecond},
		Restarts: RestartPolicy{LoopExits: 1, LoopDelay: time.Hour},
	})
	i := s.awaitState(wire.InstanceFailed, "unkillable")
	if len(s.processes()) == 0 || i.RestartCount != 0 {
		t.Errorf("while it does not end: %+v", i)
	}
	if err := os.WriteFile(free, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.awaitState(wire.InstanceFailed, "crash_loop")
}

func TestRunEndsWithAnUnkillableOllama(t *testing.T) {
	keeper, _ := stuckKeeper(t)
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: "/bin/sh", Keeper: keeper, URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
		Timing: Timing{StartTimeout: 50 * time.Millisecond},
	})
	s.awaitState(wire.InstanceFailed, "unkillable")
	s.stop()
	select {
	case err := <-s.result:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		s.result <- nil
	case <-time.After(5 * time.Second):
		t.Error("Run waits for what can't end")
	}
}
