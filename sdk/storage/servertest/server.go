// Package servertest starts real servers of storage services, on loopback, for the
// tests of what uses them. A server ends with its test.
//
// Where a server's program is, is told by a variable such as CORRAL_VERSITYGW_BIN, or
// found out by scripts/server.sh in this repository. Without either a test is skipped,
// unless CORRAL_MUST_RUN names the service.
package servertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it listens.
const startTimeout = 30 * time.Second

// process is a server's program, which can be ended and started again at the same
// address.
type process struct {
	t       testing.TB
	address string // host:port
	command func(address string) *exec.Cmd

	mu      sync.Mutex
	running *exec.Cmd
	printed *bytes.Buffer
	ended   chan struct{}
}

// start starts a server at a free port, and tries another one where somebody was
// quicker.
func start(t testing.TB, command func(address string) *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, command: command}
	t.Cleanup(p.Kill)
	var err error
	for range 3 {
		if p.address, err = freeAddress(); err != nil {
			t.Fatal(err)
		}
		if err = p.run(); err == nil {
			return p
		}
	}
	t.Fatalf("start a server: %v", err)
	return nil
}

// freeAddress returns an address where nobody listens. It is none of those that systems
// give away by themselves: before the server is there, somebody would have it, and be taken
// for the server.
func freeAddress() (address string, err error) {
	const first, count = 10_000, 20_000
	for range 10 {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(count)))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", err
}

// Start starts a server that was killed, at the address that it had.
func (p *process) Start() {
	p.t.Helper()
	if err := p.run(); err != nil {
		p.t.Fatalf("start the server again: %v", err)
	}
}

// Kill ends a server at once.
func (p *process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return
	}
	_ = p.running.Process.Kill() // it may have ended by itself
	<-p.ended
	p.running = nil
}

// run starts the program and returns when it listens.
func (p *process) run() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd, printed, ended, started := p.command(p.address), &bytes.Buffer{}, make(chan struct{}), make(chan error)
	cmd.Stdout, cmd.Stderr = printed, printed
	// Should the test program die, the server ends as well: with the thread that
	// started it, which is why there is one for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	go supervise(cmd, started, ended)
	if err := <-started; err != nil {
		return err
	}
	p.running, p.printed, p.ended = cmd, printed, ended
	if err := listens(p.address, ended); err != nil {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		p.running = nil
		return fmt.Errorf("%w; it has printed %.2000s", err, printed)
	}
	return nil
}

// listens waits until somebody takes connections at an address.
func listens(address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return fmt.Errorf("it does not listen at %s", address)
		}
	}
}

// program returns the path of a server's program.
func program(t testing.TB, service, name string) string {
	t.Helper()
	variable := "CORRAL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_BIN"
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := byScript(t.Context(), name)
	if err != nil {
		need(t, service, fmt.Sprintf("%s is not set, and %v", variable, err))
	}
	return path
}

// need skips a test for a reason, or fails it where CORRAL_MUST_RUN names the service.
func need(t testing.TB, service, reason string) {
	t.Helper()
	for must := range strings.SplitSeq(os.Getenv("CORRAL_MUST_RUN"), ",") {
		if must == service {
			t.Fatal(reason)
		}
	}
	t.Skip(reason)
}

// byScript has scripts/server.sh find or build a program.
func byScript(ctx context.Context, name string) (string, error) {
	root, err := workspace()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts", "server.sh"), name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("scripts/server.sh %s: %w\n%s", name, err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

// workspace returns the folder with go.work, in which or below which a test runs.
func workspace() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("there is no go.work in %s or above", start)
		}
	}
}
