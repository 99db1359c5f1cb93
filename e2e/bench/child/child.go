// Package child runs the programs that a benchmark needs beside its own.
package child

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// stopLimit is how long a program may take to end before it is killed.
const stopLimit = 10 * time.Second

// Process is a program that was started. Its methods may be called by several
// goroutines at once.
type Process struct {
	name   string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	output *output
	exited chan struct{} // closed once waited is set
	waited error         // what waiting for it returned
}

// Start starts the program argv[0] with the arguments after it; name is what
// errors call it. It is asked to end when ctx ends, or by [Process.Stop], which
// must be called in any case. prepare may add to the command before it starts,
// and may be nil.
func Start(ctx context.Context, name string, argv []string, prepare func(*exec.Cmd)) (*Process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{name: name, cancel: cancel, output: newOutput(), exited: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopLimit
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if prepare != nil {
		prepare(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.exited)
		p.waited = p.cmd.Wait()
	}()
	return p, nil
}

// PID returns the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Address waits until the program has logged that it listens, and returns the
// address that it named. A program that ends before is an error with the end
// of its output.
func (p *Process) Address(ctx context.Context) (string, error) {
	select {
	case address := <-p.output.address:
		return address, nil
	case <-p.exited:
		return "", fmt.Errorf("%s ended before it listened: %v\n%s", p.name, p.cmd.ProcessState, p.output.tail())
	case <-ctx.Done():
		return "", fmt.Errorf("%s does not listen: %w\n%s", p.name, ctx.Err(), p.output.tail())
	}
}

// Exited is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Output returns the end of what the program has written.
func (p *Process) Output() string { return p.output.tail() }

// Stop asks the program to end, kills it when it takes too long, and returns
// when it is gone. A program that had failed before is an error; that it was
// ended by the signal that asked it to is not.
func (p *Process) Stop() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s had ended by itself: %v\n%s", p.name, p.cmd.ProcessState, p.output.tail())
	default:
	}
	p.cancel()
	<-p.exited
	var exit *exec.ExitError
	switch {
	case p.waited == nil, errors.Is(p.waited, context.Canceled):
		return nil
	case errors.As(p.waited, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return fmt.Errorf("stop %s: %w\n%s", p.name, p.waited, p.output.tail())
}
