package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// process starts a plugin for go-plugin, which is then told only what it can bear:
// the line of the handshake, and nothing of what the plugin logs.
type process struct {
	path     string
	cmd      *exec.Cmd
	lifeline *os.File // the plugin ends when this is closed, by whatever
	lines    *printed

	stdout, stderr *os.File // ends that are read
	handshake      *io.PipeReader
	toGoPlugin     *io.PipeWriter
	nothing        *io.PipeReader // what go-plugin reads as the log
	nothingMore    *io.PipeWriter
	reading        sync.WaitGroup
	exited         chan struct{} // closed when the process is gone
	pid            atomic.Int64  // 0 before it is started
	state          *os.ProcessState
	endedAt        time.Time
	ended          atomic.Bool
	killed         atomic.Bool // by us
	memory         oomCounter
	unconfined     []string
	stopping       chan struct{} // closed when it is meant to end
	stopOnce       sync.Once
}

var _ runner.Runner = (*process)(nil)

// pipeGrace is how long what the plugin has printed may take to come through after
// it has ended. Its children may hold the pipes for ever.
const pipeGrace = 300 * time.Millisecond

// newProcess returns a runner of an executable that is open.
func newProcess(executable *os.File, path string, lines *printed) *process {
	p := &process{path: path, lines: lines, exited: make(chan struct{}), stopping: make(chan struct{})}
	p.handshake, p.toGoPlugin = io.Pipe()
	p.nothing, p.nothingMore = io.Pipe()
	// By its open file, so that what is run is what was verified.
	p.cmd = exec.CommandContext(context.Background(), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), executable.Fd()))
	p.cmd.Args = []string{path}
	p.cmd.Dir = "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return p
}

// Start implements [runner.Runner].
func (p *process) Start(context.Context) error {
	ends, err := p.pipes()
	if err != nil {
		return err
	}
	p.reading.Go(func() { p.lines.readStdout(p.stdout, p.toGoPlugin) })
	p.reading.Go(func() { p.lines.readStderr(p.stderr) })
	started := make(chan error, 1)
	go p.attend(ends, started)
	return <-started
}

// pipes makes the plugin's streams and returns its ends of them.
func (p *process) pipes() (theirs []*os.File, err error) {
	var ours []*os.File
	defer func() {
		if err != nil {
			closeFiles(append(ours, theirs...))
		}
	}()
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, r, w), append(theirs, nil)
	}
	p.lifeline, p.stdout, p.stderr = ours[1], ours[2], ours[4]
	theirs = []*os.File{ours[0], ours[3], ours[5]}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1], theirs[2]
	return theirs, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// attend starts the process, and stays with it until it has ended: the signal that
// it gets with our end is one of the thread that started it.
func (p *process) attend(theirs []*os.File, started chan<- error) {
	runtime.LockOSThread()
	p.memory = newOOMCounter("/proc/self/cgroup", "/sys/fs/cgroup", "/proc/vmstat")
	err := confineThread()
	if err == nil {
		err = p.cmd.Start()
	}
	closeFiles(theirs)
	if err == nil {
		p.pid.Store(int64(p.cmd.Process.Pid))
		p.unconfined = confineProcess(p.cmd.Process.Pid)
	}
	started <- err
	if err != nil {
		p.endPipes()
		return
	}
	_ = p.cmd.Wait() // its state tells
	p.ended.Store(true)
	p.state, p.endedAt = p.cmd.ProcessState, time.Now()
	p.signalGroup() // what it has left behind
	p.endPipes()
	close(p.exited)
}

// endPipes reads what is left in the pipes, and closes them.
func (p *process) endPipes() {
	read := make(chan struct{})
	go func() {
		p.reading.Wait()
		close(read)
	}()
	select {
	case <-read:
	case <-time.After(pipeGrace):
	}
	closeFiles([]*os.File{p.lifeline, p.stdout, p.stderr})
	<-read
	p.toGoPlugin.Close()
	p.nothingMore.Close()
}

// Stdout implements [runner.Runner].
func (p *process) Stdout() io.ReadCloser { return p.handshake }

// Stderr implements [runner.Runner]. There is nothing to read: a line that isn't as
// go-plugin expects it would end the host.
func (p *process) Stderr() io.ReadCloser { return p.nothing }

// Wait implements [runner.Runner].
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Kill implements [runner.Runner].
func (p *process) Kill(context.Context) error {
	p.stop()
	p.kill()
	return nil
}

// stop notes that the process is meant to end, and lets go of it.
func (p *process) stop() {
	p.stopOnce.Do(func() {
		close(p.stopping)
		if p.lifeline != nil {
			p.lifeline.Close()
		}
	})
}

// kill ends the process and all of its group.
func (p *process) kill() {
	if !p.ended.Load() {
		p.killed.Store(true)
	}
	p.signalGroup()
}

func (p *process) signalGroup() {
	if pid := int(p.pid.Load()); pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // fails where there is nobody left
	}
}

// Name implements [runner.Runner].
func (p *process) Name() string { return p.path }

// ID implements [runner.Runner].
func (p *process) ID() string { return strconv.FormatInt(p.pid.Load(), 10) }

// Diagnose implements [runner.Runner].
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements [runner.Runner].
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements [runner.Runner].
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
