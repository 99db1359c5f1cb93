package main

import (
	"context"
	"os"
	"time"

	"github.com/corral-fleet/corral/controlplane/cmd/corral/internal/cli"
	"github.com/corral-fleet/corral/sdk/program"
)

// run is the program, and returns its exit status.
func run() int {
	var exit int
	stopped := program.Run("corral", os.Stderr, func(ctx context.Context) error {
		exit = cli.Program{
			Args: os.Args[1:], Getenv: os.Getenv,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			Now: time.Now, Version: version,
		}.Run(ctx)
		return nil
	})
	if stopped != program.ExitOK {
		return stopped // by a second signal; exit may still be written to
	}
	return exit
}
