package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
)

// claimFile is locked by the server that serves from the data directory.
const claimFile = "serve.lock"

// claim makes the data directory where it is missing and keeps other servers out
// of it until the returned file is closed: each server holds what it knows of the
// hosts in memory, and two would overwrite each other's changes. The kernel lets
// go when a process dies. Commands that use the directory beside a server don't
// claim it.
func claim(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, claimFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim the data directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fault.Wrap(fault.Conflict, err, "another control plane is serving from %s; stop that, or choose another --data-dir", dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
