package jobs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

const (
	maxLine   = 1 << 20                // of an event
	drainTime = 200 * time.Millisecond // for output that is still held open after the worker's end
)

// process is a running worker. Its standard input is its lifeline: it ends when that
// closes, and so does it when the agent is killed.
type process struct {
	cmd    *exec.Cmd
	events *os.File
	life   io.Closer
	words  *lastWords
	done   chan struct{} // closed when it has ended and was reaped
	ending sync.Once
}

func (r *Runner) start(o *order.Order) (*process, error) {
	events, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{events: events, done: make(chan struct{}), words: &lastWords{log: r.Log}}
	p.cmd = exec.Command(r.Program) //nolint:noctx // it is asked to end, and killed by its group
	p.cmd.Env = environment(r.Environ)
	p.cmd.Stdout, p.cmd.Stderr = theirs, p.words
	p.cmd.WaitDelay = drainTime
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err := p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	theirs.Close()
	if err != nil {
		events.Close()
		return nil, err
	}
	p.life = life
	go func() {
		_ = p.cmd.Wait() // how it ended is in its state
		close(p.done)
		// What it has written is still to be read; what it has started may hold the
		// pipe open for ever.
		time.AfterFunc(drainTime, func() { events.Close() })
	}()
	if err := order.Write(life, o); err != nil {
		p.kill()
		<-p.done
		return nil, fmt.Errorf("hand the job over: %w", err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end asks the worker to end, and kills it when it doesn't. It does not wait.
func (p *process) end(grace time.Duration) {
	p.ending.Do(func() {
		p.life.Close()
		p.signal(unix.SIGTERM)
		go func() {
			timer := time.NewTimer(grace)
			defer timer.Stop()
			select {
			case <-p.done:
			case <-timer.C:
				p.kill()
			}
		}()
	})
}

// kill kills the worker and what it may have started. It does not wait.
func (p *process) kill() {
	p.life.Close()
	p.signal(unix.SIGKILL)
}

func (p *process) signal(s unix.Signal) {
	select {
	case <-p.done: // its number may be another's already
	default:
		_ = unix.Kill(-p.pid(), s) // one that has just ended needs none
	}
}

// follow tells the events until the worker is gone, and returns the last one and the
// error of tell, after which the worker is ended.
func (p *process) follow(tell func(work.Event) error, grace time.Duration) (last work.Event, err error) {
	defer func() { <-p.done }()
	lines := bufio.NewScanner(p.events)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	for lines.Scan() {
		var e work.Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			p.words.keep("on standard output: " + lines.Text())
			continue
		}
		last = e
		if err == nil {
			err = tell(e)
		}
		if err != nil || e.Done != nil || e.Failed != nil {
			p.end(grace)
		}
	}
	p.end(grace) // of a worker that closed its output and goes on
	return last, err
}

// obituary is the failure of a worker that ended without having told an end.
func (p *process) obituary() *work.Failure {
	f := &work.Failure{Kind: fault.Internal.String(), Side: fault.Host.String(), Cause: p.words.String(), Broke: true}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		f.Kind = fault.Unavailable.String()
		f.Message = "the program that does the work on models was killed on this host, perhaps for lack of memory"
	case status.Signaled():
		f.Message = fmt.Sprintf("the program that does the work on models was ended on this host by a signal (%s)", status.Signal())
	default:
		f.Message = fmt.Sprintf("the program that does the work on models ended on this host with status %d before it was done", p.cmd.ProcessState.ExitCode())
	}
	return f
}

// What is kept of a worker's standard error: the first lines, which tell what a crash
// was, and the last.
const (
	keptFirst  = 4
	keptLast   = 8
	keptBytes  = 400 // of a line
	shownLines = 200 // that go into the agent's log
)

// lastWords logs what a worker writes to its standard error and keeps some of it.
type lastWords struct {
	log hclog.Logger

	mu          sync.Mutex
	partial     []byte
	first, last []string
	shown       int
}

// Write implements io.Writer and never fails.
func (w *lastWords) Write(b []byte) (int, error) {
	size := len(b)
	w.mu.Lock()
	w.partial = append(w.partial, b...)
	var whole []string
	for {
		line, rest, found := strings.Cut(string(w.partial), "\n")
		if !found && len(w.partial) <= keptBytes {
			break
		}
		if !found {
			line, rest = line[:keptBytes], line[keptBytes:]
		}
		w.partial = []byte(rest)
		whole = append(whole, line)
	}
	w.mu.Unlock()
	for _, line := range whole {
		w.keep(line)
	}
	return size, nil
}

// keep takes a line down.
func (w *lastWords) keep(line string) {
	line = strings.ToValidUTF8(strings.TrimSpace(line), "?")
	if line == "" {
		return
	}
	if len(line) > keptBytes {
		line = strings.ToValidUTF8(line[:keptBytes], "") + "…"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shown++; w.shown <= shownLines {
		w.log.Info("the model worker says", "line", line)
	}
	if len(w.first) < keptFirst {
		w.first = append(w.first, line)
		return
	}
	w.last = append(w.last, line)
	w.last = w.last[max(len(w.last)-keptLast, 0):]
}

// String returns what was kept.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(append(append([]string(nil), w.first...), w.last...), "\n")
}
