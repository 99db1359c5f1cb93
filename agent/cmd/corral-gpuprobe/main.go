// Command corral-gpuprobe reads a host's GPUs, for the agent that starts it.
package main

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/gpu/probe"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if !slices.ContainsFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "GOMAXPROCS=") }) {
		runtime.GOMAXPROCS(1)
	}
	frames := func() io.WriteCloser { return os.NewFile(probe.FramesFD, "frames") }
	os.Exit(probe.Main(version, os.Args[1:], os.Stdin, frames, os.Stdout, os.Stderr))
}
