package identity

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
)

// takeLock locks a data directory until the returned file is closed or the
// process ends. The file stays when the lock goes: removing it would let two
// processes hold locks on two files of the same name.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, diskFault(err, "the data directory %s cannot be written to", dir)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fault.New(fault.Conflict, "another agent%s is running with the data directory %s", holder(f), dir)
	case err != nil:
		err = diskFault(err, "the data directory %s cannot be locked", dir)
	default:
		err = writePID(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holder names the process that holds the lock, as far as it said so.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	pid, wrong := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || wrong != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// writePID says who holds the lock. It is for people alone, so it need not
// survive a crash.
func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return diskFault(err, "%s cannot be written", f.Name())
	}
	if _, err := fmt.Fprintf(f, "%d\n", os.Getpid()); err != nil {
		return diskFault(err, "%s cannot be written", f.Name())
	}
	return nil
}
