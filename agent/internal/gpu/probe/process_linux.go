package probe

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// self is the program that runs, also after it was replaced on disk.
const self = "/proc/self/exe"

// ThisProcess returns what the program has of the process that it runs in.
// Standard output is the program's alone from then on: what a library prints
// there goes to standard error.
func ThisProcess() (Process, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, FramesFD+1)
	if err != nil {
		return Process{}, fmt.Errorf("standard output: %w", err)
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		return Process{}, fmt.Errorf("standard output: %w", err)
	}
	return Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.NewFile(uintptr(fd), "/dev/stdout"), Stderr: os.Stderr,
		Frames:  func() io.WriteCloser { return os.NewFile(FramesFD, "frames") },
		Program: self,
		Renew: func(args []string) error {
			return syscall.Exec(self, append([]string{os.Args[0]}, args...), os.Environ())
		},
	}, nil
}
