// Command corral-controlplane serves a fleet of Ollama hosts.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/program"
)

// version is set when a release is built.
var version = "dev"

func main() {
	root := newRoot(version, os.Environ())
	root.SetArgs(os.Args[1:])
	root.SetOut(os.Stdout)
	root.SetErr(os.Stderr)
	os.Exit(program.Run("corral-controlplane", os.Stderr, root.ExecuteContext))
}
