package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
)

// SameDisk reports whether a file is on the disk of the blobs, and can be placed among
// them without its bytes going anywhere else.
func (s *Store) SameDisk(path string) bool {
	file, err1 := os.Stat(path)
	dir, err2 := os.Stat(s.blobs())
	if err1 != nil || err2 != nil {
		return false
	}
	a, ok1 := file.Sys().(*syscall.Stat_t)
	b, ok2 := dir.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && a.Dev == b.Dev
}

// Place puts a file among the blobs as the one with this sha256, in hexadecimal: as a
// copy that shares its blocks where the file system can, else as another link to it
// where Ollama may read that, else as a copy. The bytes are read and told of, since
// Ollama takes a blob for what its name says; others are fault.Corrupt. One that is
// there already is left.
func (s *Store) Place(ctx context.Context, path, digest string, read func(n int64)) (err error) {
	to := s.blob(digest)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	temp, err := s.take(path)
	if err != nil {
		return placeFault(err)
	}
	defer os.Remove(temp) // it has another name when all went well
	found, err := sum(ctx, temp, read)
	if err != nil {
		return err
	}
	if found != digest {
		return fault.New(fault.Corrupt, "the file on this host is not the model: its sha256 is %s, and should be %s", found, digest).On(fault.Host)
	}
	if err := os.Rename(temp, to); err != nil {
		return placeFault(err)
	}
	return syncDir(s.blobs())
}

func placeFault(err error) error {
	if fault.KindOf(err) == fault.NoSpace {
		return fault.Wrap(fault.NoSpace, err, "the disk of Ollama's models on this host is full, and has no room for a copy of the file").On(fault.Host)
	}
	return fault.Wrap(fault.KindOf(err), err, "the file could not be put among the models of this host's Ollama").On(fault.Host)
}

// take makes a file of ours of another one and returns its path.
func (s *Store) take(path string) (temp string, err error) {
	from, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := os.CreateTemp(s.blobs(), ourPrefix+"place-")
	if err != nil {
		return "", err
	}
	temp = to.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) != nil {
		linked, err := s.link(from, temp)
		if err != nil || linked {
			return temp, errors.Join(err, to.Close())
		}
		if _, err := io.Copy(to, from); err != nil {
			return temp, errors.Join(err, to.Close())
		}
	}
	err = s.own(to)
	if err == nil {
		err = to.Sync()
	}
	return temp, errors.Join(err, to.Close())
}

// link puts another link to a file in place of temp, where Ollama can read the file and
// nobody but its owner can change it.
func (s *Store) link(from *os.File, temp string) (bool, error) {
	info, err := from.Stat()
	if err != nil {
		return false, err
	}
	dir, err := os.Stat(s.blobs())
	if err != nil {
		return false, err
	}
	file, ok1 := info.Sys().(*syscall.Stat_t)
	owner, ok2 := dir.Sys().(*syscall.Stat_t)
	readable := info.Mode()&0o004 != 0 || ok1 && ok2 && file.Uid == owner.Uid && info.Mode()&0o400 != 0
	if !readable || info.Mode()&0o022 != 0 {
		return false, nil
	}
	next := temp + "-link"
	if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", from.Fd()), unix.AT_FDCWD, next, unix.AT_SYMLINK_FOLLOW); err != nil {
		return false, nil //nolint:nilerr // some kernels forbid links to what is another's; a copy does as well
	}
	return true, os.Rename(next, temp)
}

// own lets Ollama, which may run as another user, read the file and take it for its own.
func (s *Store) own(f *os.File) error {
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := os.Stat(s.blobs())
	if err != nil {
		return err
	}
	if owner, ok := dir.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// sum returns the sha256 of a file, in hexadecimal.
func sum(ctx context.Context, path string, read func(n int64)) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	buffer := make([]byte, 256<<10)
	for {
		n, err := f.Read(buffer)
		hash.Write(buffer[:n])
		read(int64(n))
		switch {
		case err == io.EOF:
			return hex.EncodeToString(hash.Sum(nil)), nil
		case err != nil:
			return "", fault.Wrap(fault.KindOf(err), err, "the model's file on this host cannot be read").On(fault.Host)
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
	}
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
