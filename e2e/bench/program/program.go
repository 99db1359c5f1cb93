// Package program is what the benchmarks' programs share: signals and exit
// statuses.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Run is a program: it reads the arguments after its name, works until it is
// done or ctx ends, and returns why it failed.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Main runs a program until it ends or is told to by SIGINT or SIGTERM, and
// returns its exit status: 0 for success and for -help, 1 for a failure. An
// error is written to stderr with the program's name before it.
func Main(name string, run Run) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
}
