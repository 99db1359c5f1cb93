// Command corral-gpuprobe reads a host's GPUs, for the agent that starts it.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/corral-fleet/corral/agent/internal/gpu/probe"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(1) // it does one thing at a time
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		// What lives is small. By default the heap would grow to 4 MB before it is first
		// collected, which at one reading a second takes hours.
		debug.SetGCPercent(25)
	}
	process, err := probe.ThisProcess()
	if err != nil {
		fmt.Fprintln(os.Stderr, "corral-gpuprobe:", err)
		os.Exit(1)
	}
	os.Exit(probe.Main(version, process))
}
