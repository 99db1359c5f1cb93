// Command corral-agent looks after a host's Ollama and reports to a control plane.
package main

import (
	"os"

	"github.com/corral-fleet/corral/agent/cmd/corral-agent/internal/cli"
	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == keeper.Subcommand {
		os.Exit(keeper.Main(os.Stdin, os.NewFile(keeper.ReportFD, "reports")))
	}
	os.Exit(cli.Main(version, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
