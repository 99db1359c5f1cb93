package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxOpenFiles is how many files a plugin may have open.
const maxOpenFiles = 1024

// confineThread has what this thread starts gain no rights that the thread does not
// have, such as by programs that are another user's. The thread must end with what
// it has started: this can't be taken back.
func confineThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return nil
}

// confineProcess bounds what a process may use. It has been running for a moment, in
// which it has no configuration yet.
func confineProcess(pid int) {
	// These fail where it is gone, and where the bounds are lower already.
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) // its memory has secrets
	_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: maxOpenFiles, Max: maxOpenFiles}, nil)
}
