package uploads

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
)

// folder is where files lie while they are uploads.
type folder struct {
	path         string
	reserveBytes int64 // of its disk, which are left free
}

func (d folder) at(name string) string { return filepath.Join(d.path, name) }

// makeAll makes empty files that are still there after a loss of power, or none.
func (d folder) makeAll(names []string) error {
	for i, name := range names {
		file, err := os.OpenFile(d.at(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			return errors.Join(err, d.removeAll(names[:i]))
		}
	}
	if err := d.sync(); err != nil {
		return errors.Join(err, d.removeAll(names))
	}
	return nil
}

// create makes an empty file that is still there after a loss of power, and opens it.
func (d folder) create(name string) (*os.File, error) {
	file, err := os.OpenFile(d.at(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := d.sync(); err != nil {
		return nil, errors.Join(err, file.Close(), d.remove(name))
	}
	return file, nil
}

func (d folder) open(name string) (*os.File, error) { return os.OpenFile(d.at(name), os.O_RDWR, 0) }

func (d folder) sync() error {
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// remove removes a file, which may be gone already.
func (d folder) remove(name string) error {
	if err := os.Remove(d.at(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d folder) removeAll(names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, d.remove(name))
	}
	return errors.Join(errs...)
}

// room is fault.NoSpace where so many bytes more would not leave the reserve free.
func (d folder) room(needBytes int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(d.path, &disk); err != nil {
		return &os.PathError{Op: "statfs", Path: d.path, Err: err}
	}
	free := int64(min(disk.Bavail, 1<<62/uint64(disk.Bsize))) * disk.Bsize
	if needBytes > free-d.reserveBytes {
		return fault.New(fault.NoSpace, "the server's disk has %s free, of which %s stay so; this needs %s",
			humanize.IBytes(uint64(free)), humanize.IBytes(uint64(d.reserveBytes)), humanize.IBytes(uint64(needBytes)))
	}
	return nil
}

// unreserved returns how much of the room that a file is to have isn't its own yet. One
// that has fewer bytes than it should is as good as gone, which is [fs.ErrNotExist].
func (d folder) unreserved(name string, haveBytes, sizeBytes int64) (int64, error) {
	var now unix.Stat_t
	err := unix.Stat(d.at(name), &now)
	if err == nil && now.Size < haveBytes {
		err = syscall.ENOENT
	}
	if err != nil {
		return 0, &os.PathError{Op: "stat", Path: d.at(name), Err: err}
	}
	return max(0, sizeBytes-now.Blocks*512), nil
}

// reserve gives a file its room on the disk, so that others can't take it while the
// bytes arrive, and lie in few pieces.
func (d folder) reserve(name string, sizeBytes int64) error {
	file, err := d.open(name)
	if err != nil {
		return err
	}
	defer file.Close() // nothing was written
	err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, sizeBytes)
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return nil // not every file system can do it, and it need not be
	}
	return explain(&os.PathError{Op: "allocate", Path: file.Name(), Err: err})
}

// explain is an error of the disk as a caller hears of it.
func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(fault.NoSpace, err, "the server's disk is full")
	}
	return err
}
