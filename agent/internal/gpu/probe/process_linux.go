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
		Frames: frames, Program: self, Renew: renew,
	}, nil
}

// frames keeps the pipe from other processes that this one starts: the agent
// waits for its end.
func frames() io.WriteCloser {
	syscall.CloseOnExec(FramesFD)
	return os.NewFile(FramesFD, "frames")
}

func renew(args []string) error {
	if _, err := unix.FcntlInt(FramesFD, unix.F_SETFD, 0); err != nil { // it goes on
		return fmt.Errorf("renew: %w", err)
	}
	return fmt.Errorf("renew: %w", syscall.Exec(self, append([]string{os.Args[0]}, args...), os.Environ()))
}
