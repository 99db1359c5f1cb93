package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

const (
	// runLimit is how long `make run` may take with everything built.
	runLimit = 40 * time.Second
	// quickLimit is how long it may take when nothing is left to be made.
	quickLimit = 5 * time.Second
	// endedLimit is how long it may take to end everything.
	endedLimit = 20 * time.Second
)

// script runs scripts/run.sh, which `make run` calls, in a lab of its own.
type script struct {
	lab    *corraltest.Lab
	listen string
	env    []string

	*corraltest.Process
}

// newScript prepares a run that finds an Ollama at a URL, where one answers, and
// else on its PATH.
func newScript(t *testing.T, ollamaURL string) *script {
	t.Helper()
	lab := corraltest.New(t)
	programs := lab.Folder("programs")
	if err := os.Mkdir(programs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ollamatest.Bin(t), filepath.Join(programs, "ollama")); err != nil {
		t.Fatal(err)
	}
	listen := freeAddress(t)
	return &script{lab: lab, listen: listen, env: []string{
		"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + lab.Folder("home"),
		"CORRAL_BIN_DIR=" + corraltest.BinDir(t), "CORRAL_DATA=" + lab.Folder("data"),
		"LISTEN=" + listen, "OLLAMA_URL=" + ollamaURL, "OLLAMA_MODELS=",
	}}
}

// freeAddress returns an address of loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (s *script) start(t *testing.T) {
	t.Helper()
	s.Process = s.lab.Start(corraltest.Command{Path: filepath.Join(corraltest.Root(t), "scripts", "run.sh"), Env: s.env})
}

// ready waits for what it prints in the end, and returns a caller with the key
// that is printed there.
func (s *script) ready(t *testing.T) *corraltest.Caller {
	t.Helper()
	s.AwaitLog(runLimit, `Ctrl-C stops it`)
	if address := s.AwaitLog(0, `serves at +http://(\S+)`); address != s.listen {
		t.Errorf("it says to serve at %s, and was told %s", address, s.listen)
	}
	return &corraltest.Caller{T: t, URL: "http://" + s.listen, Key: s.AwaitLog(0, `the key is +(\S+)`), HTTP: corraltest.Plain()}
}

// interrupt sends what Ctrl-C sends and wants nothing to be left.
func (s *script) interrupt(t *testing.T) {
	t.Helper()
	s.Signal(syscall.SIGINT)
	if code := s.Wait(endedLimit); code != 0 {
		t.Errorf("on Ctrl-C it ends with status %d", code)
	}
	if left := s.lab.Processes(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// TestRun goes from an empty data directory to an answer, twice.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newScript(t, "http://127.0.0.1:0")
	var keys [2]string
	var took [2]time.Duration
	for i := range keys {
		started := time.Now()
		s.start(t)
		caller := s.ready(t)
		keys[i], took[i] = caller.Key, time.Since(started)
		if answer := caller.Post("/api/login", object{"link": s.AwaitLog(0, `open +http://\S+/login#(\S+)`)}); answer.Status != 200 {
			t.Errorf("the link that it prints: %d %s", answer.Status, answer.Body)
		}
		var reply object
		caller.Post("/api/chat", object{"model": demoModel, "message": "Hello?"}).JSON(&reply)
		if reply["message"] != tinymodel.DefaultReply {
			t.Errorf("the demo model says %v", reply)
		}
		s.interrupt(t)
	}
	t.Logf("ready after %v, the second time after %v", took[0], took[1])
	if keys[0] != keys[1] {
		t.Error("the second time the key is another one")
	}
	if took[1] > quickLimit {
		t.Errorf("the second time it was ready after %v", took[1])
	}
}

// TestRunWithAnOllama has somebody's own Ollama, which is in use.
func TestRunWithAnOllama(t *testing.T) {
	t.Parallel()
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	server.Create(corraltest.Endless, corraltest.EndlessModel())
	direct := &corraltest.Caller{T: t, URL: server.URL, HTTP: corraltest.Plain()}
	stream := direct.Stream("/api/chat", endless())
	stream.AwaitLines(serveLimit, 3)

	s := newScript(t, server.URL)
	s.start(t)
	caller := s.ready(t)
	if answer := caller.Post("/api/chat", object{"model": corraltest.Hello, "message": "Hello?"}); answer.Status != 200 {
		t.Errorf("a chat: %d %s", answer.Status, answer.Body)
	}
	s.interrupt(t)

	if err := syscall.Kill(server.PID, 0); err != nil {
		t.Errorf("the Ollama is gone: %v", err)
	}
	stream.AwaitMore(serveLimit)
	var tags struct{ Models []object }
	if direct.Get("/api/tags").JSON(&tags); len(tags.Models) != 2 {
		t.Errorf("the Ollama had two models and has %v", tags.Models)
	}
}

func TestRunWhereThePortIsTaken(t *testing.T) {
	t.Parallel()
	s := newScript(t, "http://127.0.0.1:0")
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s.start(t)
	if code := s.Wait(runLimit); code != 1 {
		t.Errorf("it ends with status %d", code)
	}
	for _, want := range []string{
		fmt.Sprintf(`taken by \S+ \(process %d\)`, os.Getpid()), "--listen HOST:PORT", "make run LISTEN=",
	} {
		if !regexp.MustCompile(want).Match(s.Log()) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// TestRunThatCannotEnd has an agent that does nothing any more.
func TestRunThatCannotEnd(t *testing.T) {
	t.Parallel()
	s := newScript(t, "http://127.0.0.1:0")
	s.start(t)
	s.ready(t)
	for _, pid := range s.lab.Find("corral-agent run") {
		signal(t, pid, syscall.SIGSTOP)
	}
	corraltest.Await(t, 10*time.Second, "it ends when Ctrl-C is pressed again", corraltest.Until(func() bool {
		s.Signal(syscall.SIGINT)
		return s.Ended()
	}))
}

// TestRunThatIsKilled wants what it had started to end nevertheless, which the
// lab looks at.
func TestRunThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newScript(t, "http://127.0.0.1:0")
	s.start(t)
	s.ready(t)
	s.Kill()
	corraltest.Await(t, endedLimit, "all of its programs end", corraltest.Until(func() bool { return len(s.lab.Processes()) == 0 }))
}
