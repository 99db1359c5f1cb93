// Command plugincheck checks whether a plugin keeps its contract, whatever it is
// written in: it starts the program as Corral does, and asks of it all that the
// contract promises.
package main

import (
	"context"
	"os"

	"github.com/corral-fleet/corral/sdk/cmd/internal/check"
	"github.com/corral-fleet/corral/sdk/program"
)

func main() {
	os.Exit(program.Run("plugincheck", os.Stderr, func(ctx context.Context) error {
		return check.Command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}))
}
