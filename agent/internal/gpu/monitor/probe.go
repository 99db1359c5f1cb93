package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errSilent is that a probe gave no frame in time.
var errSilent = errors.New("no frame in time")

const (
	patienceSteps = 10                     // into which the wait for a frame is divided; see probe.Read
	drainTime     = 200 * time.Millisecond // for output that is still held open after the probe's end
	keptWords     = 1 << 10                // bytes of what a probe wrote to its standard error, of the begin and of the end
)

// probe is a running corral-gpuprobe. Its frames are read from it by one
// goroutine; kill may be called beside that.
type probe struct {
	cmd    *exec.Cmd
	frames *os.File
	life   io.Closer // its standard input, with which it ends
	words  lastWords
	done   chan struct{} // closed when it has ended and was reaped

	patience time.Duration
	step     time.Duration
	left     int
	next     time.Time
}

// command returns how the probe is started.
func (m *Monitor) command() *exec.Cmd {
	args := []string{"--gpu", m.Source, "--every", m.Every.String()}
	m.mu.Lock()
	if m.logged.Known { // what an earlier probe has told is not told again
		args = append(args, "--log-after="+strconv.FormatUint(m.logged.V, 10))
	}
	m.mu.Unlock()
	cmd := exec.Command(m.Probe, args...) //nolint:noctx // it is killed by its group
	cmd.Env = environment(m.Environ)
	return cmd
}

// environment is what a probe gets of the agent's: none of its settings, which
// hold secrets, and nothing that has the linker look for each of the driver's
// functions at the start, of which an old driver lacks some.
func environment(environ []string) []string {
	env := []string{}
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "CORRAL_AGENT_") && !strings.HasPrefix(entry, "LD_BIND_NOW=") {
			env = append(env, entry)
		}
	}
	return env
}

// start starts a probe. Its frames come on descriptor 3: libraries print on
// standard output.
func start(cmd *exec.Cmd) (*probe, error) {
	frames, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &probe{cmd: cmd, frames: frames, done: make(chan struct{})}
	cmd.Stderr = &p.words
	cmd.WaitDelay = drainTime
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.life, err = cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		frames.Close()
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(p.done)
		// What it has written is still to be read; what it has started may hold the
		// pipe open for ever.
		time.AfterFunc(drainTime, func() { frames.Close() })
	}()
	return p, nil
}

func (p *probe) pid() int { return p.cmd.Process.Pid }

// expect gives the probe this long for its next frame.
func (p *probe) expect(patience time.Duration) {
	p.patience, p.step = patience, patience/patienceSteps
	p.left, p.next = patienceSteps, time.Now().Add(p.step)
}

// Read implements io.Reader. It fails with errSilent when the time for a frame is
// over. Steps are counted and not time: an agent that was stopped for a while must
// not take its own silence for the probe's.
func (p *probe) Read(b []byte) (int, error) {
	for {
		if err := p.frames.SetReadDeadline(p.next); err != nil {
			return 0, err
		}
		n, err := p.frames.Read(b)
		if now := time.Now(); !now.Before(p.next) {
			p.left--
			p.next = now.Add(p.step)
		}
		late := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case n > 0, err != nil && !late:
			if p.left <= 0 {
				return 0, errSilent
			}
			return n, err
		case p.left <= 0:
			return 0, errSilent
		}
	}
}

// kill kills the probe and what it may have started. It does not wait.
func (p *probe) kill() {
	select {
	case <-p.done: // its number may be another's already
	default:
		unix.Kill(-p.pid(), unix.SIGKILL) // one that can't be killed is told of by ended
	}
	p.life.Close()
	p.frames.Close() // of one that hangs in the kernel, reading would go on
}

// ended waits this long for the probe's end, and reports whether it came.
func (p *probe) ended(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// missingFunction is the status with which the dynamic linker ends a program.
const missingFunction = 127

// obituary says in a sentence how the probe ended by itself.
func (p *probe) obituary() string {
	said := ""
	if words := p.words.last(); words != "" {
		said = " Its last words: " + words
	}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch code := p.cmd.ProcessState.ExitCode(); {
	case status.Signaled():
		return fmt.Sprintf("The GPU probe was ended by a signal (%s).", status.Signal()) + said
	case code == missingFunction:
		return "The GPU probe could not be loaded, or called a function that the driver's library lacks (status " + strconv.Itoa(code) + ")." + said
	default:
		return fmt.Sprintf("The GPU probe ended with status %d.", code) + said
	}
}

// lastWords keeps the begin and the end of what a probe writes to its standard
// error. It is written to by one goroutine, and read after the probe's end.
type lastWords struct{ begin, end []byte }

// Write implements io.Writer and never fails.
func (w *lastWords) Write(b []byte) (int, error) {
	size := len(b)
	fits := min(len(b), keptWords-len(w.begin))
	w.begin, b = append(w.begin, b[:fits]...), b[fits:]
	w.end = append(w.end, b...)
	w.end = w.end[max(len(w.end)-keptWords, 0):]
	return size, nil
}

// last returns the line that says most, fit to be shown: the last one, unless it
// was a crash, of which the first tells what it was and the others where.
func (w *lastWords) last() string {
	const most = 300
	text := strings.ToValidUTF8(string(w.begin)+string(w.end), "?")
	said := ""
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			said = line
		}
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "SIG") {
			break
		}
	}
	if said = printable(said); len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}
