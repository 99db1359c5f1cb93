package main

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/storage"
)

// keep makes a file that is given away the unfinished one, without writing it again. False
// is that it has to be copied.
func (d *directory) keep(gift storage.Gift, f unfinishedFile) (bool, error) {
	given, _, err := gift.Accept()
	if err != nil {
		return false, err
	}
	if unix.IoctlFileClone(int(f.Fd()), int(given.Fd())) == nil { // as XFS and Btrfs do
		return true, d.flush(f.File)
	}
	if d.adopt(given, f) != nil {
		return false, nil //nolint:nilerr // whatever keeps it from being linked, it can be copied
	}
	return true, d.flush(given)
}

// errNotOurs is that a file can't be an object, since another name leads to it, or
// others may write to it.
var errNotOurs = errors.New("the file is not this plugin's alone")

// adopt puts a link to a file in the place of an unfinished one. Both are on one file
// system, or it fails.
func (d *directory) adopt(given *os.File, f unfinishedFile) error {
	if err := d.checkOwn(given, f.key); err != nil {
		return err
	}
	// Who has it open for writing is in the way of a lease, and who comes to open it for
	// that waits until it is let go of.
	if _, err := unix.FcntlInt(given.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	defer unix.FcntlInt(given.Fd(), unix.F_SETLEASE, unix.F_UNLCK) //nolint:errcheck // closing the file does it as well
	if err := likeNew(given, f.File); err != nil {
		return err
	}
	link := filepath.Join(unfinished, rand.Text())
	if err := d.link(given, link); err != nil {
		return err
	}
	now := time.Now() // of what is put now, and so that it is not swept up
	err := d.root.Chtimes(link, now, now)
	if err == nil {
		err = d.root.Rename(link, f.name)
	}
	if err != nil {
		return errors.Join(err, d.discard(link))
	}
	return nil
}

// checkOwn returns nil for a file that nobody else can have, nor write to: it is ours, and
// has one name. That it may have as the object as well, where it was given before.
func (d *directory) checkOwn(given *os.File, key string) error {
	info, err := given.Stat()
	if err != nil {
		return err
	}
	is := info.Sys().(*syscall.Stat_t)
	names := uint64(1)
	if object, err := d.root.Lstat(key); err == nil && os.SameFile(object, info) {
		names = 2
	}
	const othersWrite = 0o022
	if !info.Mode().IsRegular() || uint64(is.Nlink) != names || int(is.Uid) != os.Geteuid() || info.Mode().Perm()&othersWrite != 0 { //nolint:unconvert // it has other types on other machines
		return errNotOurs
	}
	return nil
}

// likeNew gives a file the group and the mode that a new one has in the directory: who may
// read that one may read this one. It fails where more than those differ.
func likeNew(given, fresh *os.File) error {
	for _, label := range []string{"system.posix_acl_access", "security.selinux"} {
		if labelOf(given, label) != labelOf(fresh, label) {
			return errNotOurs
		}
	}
	info, err := fresh.Stat()
	if err != nil {
		return err
	}
	if err := given.Chown(-1, int(info.Sys().(*syscall.Stat_t).Gid)); err != nil {
		return err
	}
	return given.Chmod(info.Mode().Perm())
}

// labelOf returns an extended attribute of a file, or why it has none.
func labelOf(f *os.File, name string) string {
	buffer := make([]byte, 4<<10)
	n, err := unix.Fgetxattr(int(f.Fd()), name, buffer)
	if err != nil {
		return err.Error()
	}
	return string(buffer[:n])
}

// link makes a link to an open file.
func (d *directory) link(given *os.File, name string) error {
	folder, err := d.root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close() // nothing was written
	path := "/proc/self/fd/" + strconv.Itoa(int(given.Fd()))
	err = unix.Linkat(unix.AT_FDCWD, path, int(folder.Fd()), filepath.Base(name), unix.AT_SYMLINK_FOLLOW)
	return os.NewSyscallError("linkat", err)
}
