package realollama

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is an `ollama serve` of a test's own. It ends with the test.
type Server struct {
	HostPort  string
	ModelsDir string

	t    testing.TB
	bin  string
	home string
	env  []string
	cmd  *exec.Cmd

	mu    sync.Mutex
	lines []string // the last that it printed
}

// keptLines are shown of an Ollama whose test failed.
const keptLines = 30

// listening is the line by which Ollama says where it serves.
var listening = regexp.MustCompile(`Listening on (\S+?:\d+)`)

const startTimeout = 60 * time.Second

// Serve starts an Ollama without any model. Its models go to a folder of the test's,
// unless env, entries "NAME=value", says otherwise.
func Serve(t testing.TB, bin string, env ...string) *Server {
	t.Helper()
	s := &Server{t: t, bin: bin, home: t.TempDir(), env: env}
	s.ModelsDir = filepath.Join(s.home, "models")
	for _, entry := range env {
		if dir, ok := strings.CutPrefix(entry, "OLLAMA_MODELS="); ok {
			s.ModelsDir = dir
		}
	}
	s.Start("127.0.0.1:0")
	t.Cleanup(func() {
		s.Kill()
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.Failed() {
			t.Logf("ollama's last lines:\n%s", strings.Join(s.lines, "\n"))
		}
	})
	return s
}

// URL is where it serves.
func (s *Server) URL() string { return "http://" + s.HostPort }

// Start starts it again, after Kill, where it was.
func (s *Server) Start(at string) {
	s.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(s.bin, "serve")
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "OLLAMA_HOST=" + at, "OLLAMA_MODELS=" + s.ModelsDir, "OLLAMA_NO_CLOUD=1", "OLLAMA_NOPRUNE=1"}, s.env...)
	s.cmd.Stderr = w
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = s.cmd.Start()
	w.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			s.mu.Lock()
			s.lines = append(s.lines[max(len(s.lines)-keptLines, 0):], lines.Text())
			s.mu.Unlock()
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
	}()
	select {
	case s.HostPort = <-found:
	case <-time.After(startTimeout):
		s.t.Fatal("ollama does not say where it listens")
	}
}

// Restart starts it where it was.
func (s *Server) Restart() {
	s.t.Helper()
	s.Start(s.HostPort)
}

// Kill ends it and all that it started, by SIGKILL.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	_ = s.cmd.Wait()                                      // it was killed
	s.cmd = nil
}

// Blobs returns the names of the files in its store of blobs.
func (s *Server) Blobs() []string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.ModelsDir, "blobs"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
