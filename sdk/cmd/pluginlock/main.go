// Command pluginlock writes the lock file that says which plugins are trusted. The
// build runs it for what it has just built; an operator trusts further ones by
// `corral-controlplane plugin trust`.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/program"
)

func main() {
	os.Exit(program.Run("pluginlock", os.Stderr, func(ctx context.Context) error { return run(ctx, os.Args[1:]) }))
}

// run trusts programs. Each is run once, to learn what it is.
func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return program.Usage(errors.New("it takes a lock file and one program or more"))
	}
	for _, path := range args[1:] {
		if _, err := trust.TrustFile(ctx, args[0], path); err != nil {
			return err
		}
	}
	return nil
}
