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

// confineProcess bounds what a process may use, and returns what could not be
// bounded, a sentence each: systemd may keep us from it. The process has been running
// for a moment, in which it has no configuration yet.
func confineProcess(pid int) (unconfined []string) {
	for _, bound := range []struct {
		resource int
		most     uint64
		what     string
	}{
		{unix.RLIMIT_CORE, 0, "it may leave a core dump, which has its secrets"},
		{unix.RLIMIT_NOFILE, maxOpenFiles, "it may open as many files as its host"},
	} {
		if err := unix.Prlimit(pid, bound.resource, &unix.Rlimit{Cur: bound.most, Max: bound.most}, nil); err != nil {
			unconfined = append(unconfined, fmt.Sprintf("%s: %v", bound.what, err))
		}
	}
	return unconfined
}
