// Command corral-gpuprobe reads a host's GPUs, for the agent that starts it.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/gpu/probe"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(1) // it does one thing at a time
	}
	stdout, err := standardOutput()
	if err != nil {
		fmt.Fprintln(os.Stderr, "corral-gpuprobe:", err)
		os.Exit(1)
	}
	os.Exit(probe.Main(version, probe.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: stdout, Stderr: os.Stderr,
		Frames: func() io.WriteCloser { return os.NewFile(probe.FramesFD, "frames") },
		Renew: func(args []string) error {
			return syscall.Exec("/proc/self/exe", append([]string{os.Args[0]}, args...), os.Environ())
		},
	}))
}

// standardOutput keeps standard output for the program. What a library prints
// there goes to standard error.
func standardOutput() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, probe.FramesFD+1)
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	return os.NewFile(uintptr(fd), "/dev/stdout"), nil
}
