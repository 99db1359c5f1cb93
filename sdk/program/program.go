// Package program is what corral's programs have in common at their start and
// their end: signals, exit codes and the logger.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// The exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2 // of flags, arguments or settings
)

// impatience is how long after the first signal another one means "at once".
// Terminals and supervisors sometimes send the first one twice.
const impatience = time.Second

// Usage marks an error as one of usage: of flags or arguments.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// Run calls run with a context that SIGINT and SIGTERM end, prints what it
// returns to stderr, and returns the exit code. A further signal, a second or
// more later, ends the process at once.
func Run(name string, stderr io.Writer, run func(ctx context.Context) error) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var first time.Time
	for {
		select {
		case err := <-done:
			return exitCode(name, stderr, err)
		case <-signals:
			if first.IsZero() {
				first = time.Now()
				cancel()
			} else if time.Since(first) >= impatience {
				fmt.Fprintf(stderr, "%s: stopped at once\n", name)
				return ExitFailed
			}
		}
	}
}

func exitCode(name string, stderr io.Writer, err error) int {
	var faults *config.Faults
	var usage *usageError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &faults):
		fmt.Fprintf(stderr, "%s: the settings have faults:\n%v\n", name, faults)
		return ExitUsage
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	if errors.As(err, &usage) || fault.KindOf(err) == fault.Invalid && fault.SideOf(err) == fault.Ours {
		return ExitUsage // what it was started with cannot work
	}
	return ExitFailed
}
