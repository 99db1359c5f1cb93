// Command corral-plugin is for authors of plugins: it begins one, runs it as Corral
// does while it is written, and checks it.
package main

import (
	"context"
	"os"

	"github.com/corral-fleet/corral/sdk/program"
)

// version is set when the program is built.
var version = "dev"

func main() {
	os.Exit(program.Run("corral-plugin", os.Stderr, func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	}))
}
