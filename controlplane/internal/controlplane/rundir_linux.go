package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// pluginRunDir makes an empty directory for the sockets of plugins, whose addresses
// have to be short, and returns it with what removes it. It is the same one for each
// run of a data directory, which one server at a time has: what a run that was killed
// has left is removed by the next.
func pluginRunDir(dataDir string) (dir string, remove func() error, err error) {
	absolute, err := filepath.Abs(dataDir)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256([]byte(absolute))
	dir = filepath.Join(os.TempDir(), fmt.Sprintf("corral-%d-%s", os.Getuid(), hex.EncodeToString(sum[:4])))
	remove = func() error { return os.RemoveAll(dir) }
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		return dir, remove, nil
	case !errors.Is(err, os.ErrExist):
		return "", nil, err
	}
	// Others can make folders where it is: it has to be ours.
	var info unix.Stat_t
	if err := unix.Lstat(dir, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFDIR || int(info.Uid) != os.Getuid() {
		dir, err = os.MkdirTemp("", "corral-")
		return dir, remove, err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return "", nil, err
	}
	return dir, remove, nil
}
