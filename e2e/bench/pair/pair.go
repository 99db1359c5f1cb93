// Package pair starts a control plane and an agent from their built programs,
// as a benchmark needs them: fresh folders, loopback, free ports.
package pair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/child"
)

// startLimit is how long a program may take until it listens.
const startLimit = 30 * time.Second

// ControlPlane is a control plane that runs.
type ControlPlane struct {
	URL     string // such as http://127.0.0.1:40001
	Key     string // of an administrator
	Token   string // with which as many agents may join as anybody measures
	process *child.Process

	binary, dir string
}

// StartControlPlane starts the program binary with its data in dir.
func StartControlPlane(ctx context.Context, binary, dir string) (*ControlPlane, error) {
	var made struct{ Key, Token string }
	if err := printed(ctx, &made, binary, "key", "create", "--data-dir", dir, "--name", "bench", "--role", "admin", "--json"); err != nil {
		return nil, err
	}
	if err := printed(ctx, &made, binary, "token", "create", "--data-dir", dir, "--uses", "10000", "--json"); err != nil {
		return nil, err
	}
	if made.Key == "" || made.Token == "" {
		return nil, fmt.Errorf("%s made no key or no token", binary)
	}
	c := &ControlPlane{Key: made.Key, Token: made.Token, binary: binary, dir: dir}
	return c, c.serve(ctx, "127.0.0.1:0")
}

// serve starts the program and returns when it listens.
func (c *ControlPlane) serve(ctx context.Context, listen string) error {
	process, err := child.Start(ctx, "control plane",
		[]string{c.binary, "serve", "--data-dir", c.dir, "--listen", listen, "--log-format", "json"}, nil)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	address, err := process.Address(limited)
	if err != nil {
		return errors.Join(err, process.Stop())
	}
	c.URL, c.process = "http://"+address, process
	return nil
}

// Crash kills it, as a lack of memory would.
func (c *ControlPlane) Crash() error {
	if err := syscall.Kill(c.process.PID(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the control plane: %w", err)
	}
	<-c.process.Exited()
	return nil
}

// Restart starts it again where it was, after a crash, and returns when it listens.
func (c *ControlPlane) Restart(ctx context.Context) error { return c.serve(ctx, c.Address()) }

// Address returns the address that it listens on, such as 127.0.0.1:40001.
func (c *ControlPlane) Address() string { return strings.TrimPrefix(c.URL, "http://") }

// PID returns its process id.
func (c *ControlPlane) PID() int { return c.process.PID() }

// Output returns the end of what it has written.
func (c *ControlPlane) Output() string { return c.process.Output() }

// Stop ends it.
func (c *ControlPlane) Stop() error { return c.process.Stop() }

// Join starts the agent program binary with its data in dir, attached to the
// Ollama at ollamaURL. The agent runs when Join returns; it has not joined yet.
func (c *ControlPlane) Join(ctx context.Context, binary, dir, ollamaURL string, flags ...string) (*child.Process, error) {
	return child.Start(ctx, "agent", append([]string{
		binary, "run", "--data-dir", dir, "--server", c.URL, "--token", c.Token,
		"--ollama-mode", "attached", "--ollama-url", ollamaURL, "--log-format", "json",
	}, flags...), nil)
}

// printed runs a command and decodes the JSON that it prints into dst.
func printed(ctx context.Context, dst any, argv ...string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("%v: %w: %s", argv, err, exit.Stderr)
		}
		return fmt.Errorf("%v: %w", argv, err)
	}
	if err := json.Unmarshal(out, dst); err != nil {
		return fmt.Errorf("%v printed no JSON: %w", argv, err)
	}
	return nil
}
