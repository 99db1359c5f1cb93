// Command corral-modelworker brings models into a host's Ollama, for the agent that
// starts it.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/worker"
	"github.com/corral-fleet/corral/sdk/program"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, "corral-modelworker %s does the work on models that the agent on this host starts it for; it has nothing to be told by hand\n", version)
		os.Exit(program.ExitUsage)
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50) // what lives is small, and passes quickly
	}
	log := hclog.New(&hclog.LoggerOptions{Name: "modelworker", Output: os.Stderr, Level: hclog.Info, DisableTime: true})
	os.Exit(program.Run("corral-modelworker", os.Stderr, func(ctx context.Context) error {
		return worker.Run(ctx, os.Environ(), os.Stdin, os.Stdout, log, func() { os.Exit(program.ExitFailed) })
	}))
}
