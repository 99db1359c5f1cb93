// Command corral-gpuprobe reads a host's GPUs, for the agent that starts it.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/corral-fleet/corral/agent/internal/gpu/probe"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(1) // it does one thing at a time
	}
	process, err := probe.ThisProcess()
	if err != nil {
		fmt.Fprintln(os.Stderr, "corral-gpuprobe:", err)
		os.Exit(1)
	}
	os.Exit(probe.Main(version, process))
}
