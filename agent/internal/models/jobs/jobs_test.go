package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/agent/internal/models/worker"
	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/program"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

const patience = 60 * time.Second

// role is the variable by which the test program plays other parts.
const role = "CORRAL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "worker":
		log := hclog.New(&hclog.LoggerOptions{Output: os.Stderr})
		os.Exit(program.Run("worker", os.Stderr, func(ctx context.Context) error {
			return worker.Run(ctx, os.Environ(), os.Stdin, os.Stdout, log, func() { os.Exit(1) })
		}))
	case "crash":
		fmt.Println(`{"phase":"fetching","done_bytes":5}`)
		fmt.Fprintln(os.Stderr, "about to fail")
		panic("for the test")
	case "stubborn": // ends neither when it is asked to nor with its lifeline
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(`{"phase":"fetching"}`)
		select {}
	case "noisy":
		fmt.Println("not an event")
		fmt.Println(`{"done":{"digest":"d"}}`)
		os.Exit(0)
	case "agent":
		playAgent()
	}
	os.Exit(m.Run())
}

// playAgent starts a worker on the job in its environment, tells the events, and goes on
// until it is killed.
func playAgent() {
	var o order.Order
	if err := json.Unmarshal([]byte(os.Getenv("CORRAL_TEST_ORDER")), &o); err != nil {
		panic(err)
	}
	r := runner("worker", o.Host)
	w, err := r.start(&o)
	if err != nil {
		panic(err)
	}
	fmt.Println(w.pid())
	select {}
}

func runner(as string, host order.Host) *Runner {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return New(Options{
		Program: self, Environ: append(os.Environ(), role+"="+as, "GORACE=atexit_sleep_ms=0"), Log: hclog.NewNullLogger(),
		Host:     func(string) (order.Host, error) { return host, nil },
		EndGrace: time.Second,
	})
}

// slow is a server that has a tiny model and sends it in small pieces, until it is let go.
type slow struct {
	*httptest.Server
	file  []byte
	hurry chan struct{}
	asked chan struct{} // closed with the first request
}

func newSlow(t *testing.T) *slow {
	var b bytes.Buffer
	if err := tinymodel.Write(&b, tinymodel.Options{}); err != nil {
		t.Fatal(err)
	}
	s := &slow{file: b.Bytes(), hurry: make(chan struct{}), asked: make(chan struct{})}
	var first sync.Once
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { close(s.asked) })
		out := &paced{ResponseWriter: w, hurry: s.hurry, gone: r.Context().Done()}
		http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(s.file))
	}))
	t.Cleanup(s.Close)
	return s
}

// paced sends at most 2 KB in 10 ms.
type paced struct {
	http.ResponseWriter
	hurry <-chan struct{}
	gone  <-chan struct{}
}

func (p *paced) Write(b []byte) (int, error) {
	sent := 0
	for len(b) > 0 {
		n := min(len(b), 2<<10)
		select {
		case <-p.hurry:
			n = len(b)
		case <-p.gone:
			return sent, errors.New("gone")
		case <-time.After(10 * time.Millisecond):
		}
		m, err := p.ResponseWriter.Write(b[:n])
		p.ResponseWriter.(http.Flusher).Flush()
		sent += m
		if err != nil {
			return sent, err
		}
		b = b[n:]
	}
	return sent, nil
}

func (s *slow) job() *work.Job {
	sum := sha256.Sum256(s.file)
	size := int64(len(s.file))
	return &work.Job{
		ID: "7", Kind: work.Load, Model: "tiny:latest",
		Recipe: &loader.Recipe{Layers: []loader.Layer{
			{Role: loader.RoleModel, Parts: []loader.Part{{File: "f", LengthBytes: size}}, SizeBytes: size, SHA256: hex.EncodeToString(sum[:])},
		}},
		Sources: map[string]work.Source{"f": {SizeBytes: size, URLs: []string{s.URL + "/secret-path"}}},
	}
}

func TestAJobInAProcessOfItsOwn(t *testing.T) {
	ollama := realollama.Serve(t, realollama.Bin(t))
	source := newSlow(t)
	r := runner("worker", order.Host{Ollama: ollama.URL(), DataDir: t.TempDir()})
	var events []work.Event
	var began, fetched time.Time
	err := r.Run(t.Context(), "default", source.job(), func(e work.Event) error {
		events = append(events, e)
		if e.Phase == work.Fetching && e.DoneBytes > 0 {
			if fetched = time.Now(); began.IsZero() {
				began = fetched
			} else if fetched.Sub(began) > 2*time.Second {
				select {
				case <-source.hurry:
				default:
					close(source.hurry)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	if last.Done == nil || last.Done.Path != "pull" || last.DoneBytes != last.TotalBytes || last.TotalBytes < int64(len(source.file)) {
		t.Fatalf("the last event is %+v, %+v", last, last.Failed)
	}
	whileFetching := 0
	for i, e := range events {
		if i > 0 && e.DoneBytes < events[i-1].DoneBytes {
			t.Errorf("it went back from %d to %d bytes", events[i-1].DoneBytes, e.DoneBytes)
		}
		if e.Phase == work.Fetching && e.DoneBytes > 0 && e.DoneBytes < e.TotalBytes {
			whileFetching++
		}
	}
	if whileFetching < 3 {
		t.Errorf("%d events tell of fetching, which took over 2 s", whileFetching)
	}
}

// failed runs a job that fails, and returns why.
func failed(ctx context.Context, t *testing.T, r *Runner, job *work.Job, each func(work.Event)) *work.Failure {
	t.Helper()
	var last work.Event
	err := r.Run(ctx, "default", job, func(e work.Event) error {
		last = e
		if each != nil {
			each(e)
		}
		return nil
	})
	if err != nil || last.Failed == nil {
		t.Fatalf("it ended with %+v, %v", last, err)
	}
	return last.Failed
}

func TestAWorkerThatCrashes(t *testing.T) {
	f := failed(t.Context(), t, runner("crash", order.Host{}), &work.Job{Kind: work.Collect}, nil)
	if f.Kind != "internal" || f.Side != "host" || !f.Broke || !strings.Contains(f.Message, "status 2") {
		t.Errorf("it failed with %+v", f)
	}
	if !strings.Contains(f.Cause, "about to fail") || !strings.Contains(f.Cause, "panic: for the test") {
		t.Errorf("the cause is %q", f.Cause)
	}
}

func TestAWorkerThatIsKilled(t *testing.T) {
	ollama := realollama.Serve(t, realollama.Bin(t))
	source := newSlow(t)
	r := runner("worker", order.Host{Ollama: ollama.URL(), DataDir: t.TempDir()})
	killed := false
	f := failed(t.Context(), t, r, source.job(), func(e work.Event) {
		if e.DoneBytes > 0 && !killed {
			killed = true
			killWorker(t)
		}
	})
	if f.Kind != "unavailable" || f.Side != "host" || !f.Broke || !strings.Contains(f.Message, "killed") {
		t.Errorf("it failed with %+v", f)
	}
	close(source.hurry)
	var last work.Event
	if err := r.Run(t.Context(), "default", source.job(), func(e work.Event) error { last = e; return nil }); err != nil || last.Done == nil {
		t.Errorf("the next try: %+v, %+v, %v", last, last.Failed, err)
	}
}

// killWorker kills the one process below this one that plays a worker.
func killWorker(t *testing.T) {
	t.Helper()
	below, err := procs.Descendants(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range below {
		if as, _, err := p.Env(role); err == nil && as == "worker" {
			p.Signal(unix.SIGKILL)
			return
		}
	}
	t.Fatal("there is no worker")
}

func TestAJobThatNobodyWantsAnyMore(t *testing.T) {
	for _, as := range []string{"worker", "stubborn"} {
		t.Run(as, func(t *testing.T) {
			ollama := realollama.Serve(t, realollama.Bin(t))
			source := newSlow(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			leaving := fault.New(fault.Unavailable, "it leaves").On(fault.Host)
			var once sync.Once
			begun := time.Now()
			f := failed(ctx, t, runner(as, order.Host{Ollama: ollama.URL(), DataDir: t.TempDir()}), source.job(), func(e work.Event) {
				if e.Phase == work.Fetching {
					once.Do(func() { begun = time.Now(); cancel(leaving) })
				}
			})
			want := &work.Failure{Kind: "unavailable", Side: "host", Message: "it leaves", Cause: "it leaves"}
			if diff := cmp.Diff(want, f); diff != "" {
				t.Error(diff)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("its end took %v", took)
			}
		})
	}
}

func TestNoWorkerOutlivesAKilledAgent(t *testing.T) {
	ollama := realollama.Serve(t, realollama.Bin(t))
	source := newSlow(t)
	text, err := json.Marshal(order.Order{Host: order.Host{Ollama: ollama.URL(), DataDir: t.TempDir()}, Job: *source.job()})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(self)
	agent.Env = append(os.Environ(), role+"=agent", "CORRAL_TEST_ORDER="+string(text))
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	<-source.asked // it is in the midst of it
	agent.Process.Kill()
	_ = agent.Wait() // it was killed
	for deadline := time.Now().Add(patience); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may end just now
			t.Fatal("the worker goes on")
		}
	}
}

// zombie reports whether a process has ended and waits for somebody to note it, which
// in a container may be nobody.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}

func TestWhatIsNoEventIsLeftOut(t *testing.T) {
	var events []work.Event
	err := runner("noisy", order.Host{}).Run(t.Context(), "default", &work.Job{Kind: work.Collect}, func(e work.Event) error {
		events = append(events, e)
		return nil
	})
	if diff := cmp.Diff([]work.Event{{Done: &work.Result{Digest: "d"}}}, events); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestAProgramThatIsMissing(t *testing.T) {
	r := runner("worker", order.Host{})
	r.Program = "/nowhere/corral-modelworker"
	if f := failed(t.Context(), t, r, &work.Job{Kind: work.Collect}, nil); f.Kind != "internal" || f.Side != "host" || f.Broke {
		t.Errorf("it failed with %+v", f)
	}
}

func TestAnAgentsSecretsStayThere(t *testing.T) {
	got := environment([]string{"CORRAL_AGENT_TOKEN=secret", "HTTPS_PROXY=p", "NOTIFY_SOCKET=s", "PATH=/bin"})
	if diff := cmp.Diff([]string{"HTTPS_PROXY=p", "PATH=/bin"}, got); diff != "" {
		t.Error(diff)
	}
}

// zeros are a file that takes no memory.
type zeros struct{ size int64 }

func (z zeros) ReadAt(p []byte, at int64) (int, error) {
	n := min(int64(len(p)), z.size-at)
	clear(p[:n])
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// TestAWorkersMemoryIsFlat brings 400 MB to an Ollama, which asks for four ranges of them
// at once. They are no model, which Ollama finds out at the end.
func TestAWorkersMemoryIsFlat(t *testing.T) {
	const size, most = 400_000_000, 60 << 20 // of the program with the race detector, too
	ollama := realollama.Serve(t, realollama.Bin(t))
	file := zeros{size}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, size)); err != nil {
		t.Fatal(err)
	}
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(file, 0, size))
	}))
	t.Cleanup(source.Close)
	job := &work.Job{
		ID: "7", Kind: work.Load, Model: "none",
		Recipe: &loader.Recipe{Layers: []loader.Layer{
			{Role: loader.RoleModel, Parts: []loader.Part{{File: "f", LengthBytes: size}}, SizeBytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))},
		}},
		Sources: map[string]work.Source{"f": {SizeBytes: size, URLs: []string{source.URL}}},
	}
	var peak int
	f := failed(t.Context(), t, runner("worker", order.Host{Ollama: ollama.URL(), DataDir: t.TempDir()}), job, func(work.Event) {
		peak = max(peak, peakMemory(t))
	})
	if f.Kind != "corrupt" || f.Side != "ollama" {
		t.Errorf("it failed with %+v", f)
	}
	t.Logf("it took up to %d MiB", peak>>20)
	if peak == 0 || peak > most {
		t.Errorf("its memory grew to %d bytes", peak)
	}
}

// peakMemory is the most that the worker has had in memory, in bytes; 0 is that it has
// ended.
func peakMemory(t *testing.T) int {
	t.Helper()
	below, err := procs.Descendants(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range below {
		if as, _, err := p.Env(role); err != nil || as != "worker" {
			continue
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		var kib int
		_, _ = fmt.Sscan(rest, &kib)
		return kib << 10
	}
	return 0
}
