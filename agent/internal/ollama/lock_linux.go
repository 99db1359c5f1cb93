package ollama

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
)

// lock makes an instance's folder and takes it for this process. What is marked
// with the folder's name may be killed by its holder, so there must be only one.
// The kernel gives it back when the process ends.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of ollama: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("folder of ollama: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, fault.New(fault.Conflict, "the folder %s is in use by another agent; each needs a data directory of its own", dir)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the folder of ollama: %w", err)
	}
	return func() { f.Close() }, nil
}
