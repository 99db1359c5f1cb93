package keeper

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	startTimeout = 10 * time.Second // from the keeper's start to its first report
	drainTime    = time.Second      // for output that is still held open after the keeper's end
)

// Child is a program that runs under a keeper. Its methods may be called
// concurrently.
type Child struct {
	owner  string
	pid    int
	keeper *os.Process
	orders io.WriteCloser
	stuck  chan []int
	done   chan struct{}
	exit   Exit // written before done is closed
}

// Start starts a keeper by its command line and under it the program. Both
// outputs of the program go to output, from one goroutine that has ended when
// [Child.Done] is closed. The program also ends if this process does.
func Start(command []string, spec Spec, output io.Writer) (*Child, error) {
	reports, reportsEnd, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	cmd := exec.Command(command[0], command[1:]...)      //nolint:noctx // it lives as long as its program, and ends with its lifeline
	cmd.Env = []string{ownerVariable + "=" + spec.Owner} // it needs nothing of ours
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = drainTime
	cmd.ExtraFiles = []*os.File{reportsEnd} // the first one is ReportFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	orders, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	reportsEnd.Close()
	if err != nil {
		reports.Close()
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	c := &Child{
		owner: spec.Owner, keeper: cmd.Process, orders: orders,
		stuck: make(chan []int, 1), done: make(chan struct{}),
	}
	decoder := json.NewDecoder(bufio.NewReader(reports))
	if err := c.begin(spec, reports, decoder); err != nil {
		cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		reports.Close()
		_, sweepErr := Sweep(spec.Owner)
		return nil, errors.Join(fmt.Errorf("start keeper: %w", err), sweepErr)
	}
	go c.follow(cmd, reports, decoder)
	return c, nil
}

// begin hands over the spec and waits for the program's start.
func (c *Child) begin(spec Spec, reports *os.File, decoder *json.Decoder) error {
	line, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if _, err := c.orders.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := reports.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	var first report
	if err := decoder.Decode(&first); err != nil {
		return fmt.Errorf("first report: %w", err)
	}
	if first.Kind != reportStarted {
		return errors.New(first.Error)
	}
	c.pid = first.PID
	return reports.SetReadDeadline(time.Time{})
}

// follow reads the keeper's reports until it is gone. Nothing but the keeper
// holds the other end, so the pipe ends when it does.
func (c *Child) follow(cmd *exec.Cmd, reports *os.File, decoder *json.Decoder) {
	defer close(c.done)
	defer reports.Close()
	told := false
	for {
		var r report
		if err := decoder.Decode(&r); err != nil {
			break
		}
		switch {
		case r.Kind == reportStuck:
			select {
			case c.stuck <- r.Left:
			default: // told before, and nobody has looked yet
			}
		case r.Kind == reportExited && r.Exit != nil:
			c.exit, told = *r.Exit, true
		}
	}
	if !told {
		cmd.Process.Kill() // it closed the pipe, so it can be of no more use
		c.exit = Exit{Code: -1, Lost: true}
		c.exit.Left, _ = Sweep(c.owner) // without a process table there is nothing to be done
	}
	_ = cmd.Wait() // how the keeper itself ended tells nothing that is not known
}

// PID returns the number of the program's process.
func (c *Child) PID() int { return c.pid }

// Stop asks the program to end and has it killed after its grace. It does not wait.
func (c *Child) Stop() { c.order(orderStop) }

// Kill has the program and everything below it killed. It does not wait.
func (c *Child) Kill() { c.order(orderKill) }

func (c *Child) order(o string) {
	_, _ = io.WriteString(c.orders, o+"\n") // a keeper that is gone is told by Done
}

// Abandon kills the keeper itself, which takes the program along, for the case
// that it no longer follows orders.
func (c *Child) Abandon() { c.keeper.Kill() }

// Stuck receives the processes that are still there a while after SIGKILL. They
// wait in the kernel, mostly for a device that does not answer.
func (c *Child) Stuck() <-chan []int { return c.stuck }

// Done is closed when the program and its keeper are gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit says how the program ended. It is valid after Done.
func (c *Child) Exit() Exit { return c.exit }
