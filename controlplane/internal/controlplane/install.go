package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host/trust"
)

// installer puts programs of plugins into a folder of their own, which is made where it
// is missing, and trusts them: two steps, of which the first runs nothing. What a
// program is called follows from its bytes alone.
type installer struct {
	dir, lock string
	mu        sync.Mutex // held while the lock is changed
}

// fileOf is where the program with this digest is put.
func (i *installer) fileOf(sum string) string {
	return filepath.Join(i.dir, trust.Prefix+sum[:16])
}

// Install implements [api.Installer].
func (i *installer) Install(_ context.Context, program io.Reader, sum string) (err error) {
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the folder of the plugins, %s, can't be made", i.dir)
	}
	f, err := os.CreateTemp(i.dir, ".installing-*")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the folder of the plugins, %s, can't be written", i.dir)
	}
	defer func() { err = errors.Join(err, removed(f.Name())) }()
	digest := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, digest), program)
	if got := hex.EncodeToString(digest.Sum(nil)); err == nil && got != sum {
		err = fault.New(fault.Invalid, "the sha256 of what came is %s, not %s", got, sum).On(fault.Caller)
	}
	if err = errors.Join(err, f.Chmod(0o755), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), i.fileOf(sum))
}

// removed removes a file that may have been renamed.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Approve implements [api.Installer].
func (i *installer) Approve(ctx context.Context, sum string) (trust.Entry, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	path := i.fileOf(sum)
	if _, err := os.Stat(path); err != nil {
		return trust.Entry{}, fault.Wrap(fault.NotFound, err, "no program with the sha256 %s was installed", sum).On(fault.Caller)
	}
	e, err := trust.Describe(ctx, path)
	if err == nil && e.SHA256[trust.Platform] != sum {
		err = fault.New(fault.Conflict, "the program was replaced: its sha256 is %s", e.SHA256[trust.Platform])
	}
	if err != nil {
		return trust.Entry{}, err
	}
	return e, i.change(func(l *trust.Lock) error { return l.Trust(e) })
}

// Remove implements [api.Installer].
func (i *installer) Remove(_ context.Context, sum string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, err := os.Stat(i.fileOf(sum)); err != nil {
		return fault.Wrap(fault.NotFound, err, "no program with the sha256 %s was installed", sum).On(fault.Caller)
	}
	if err := i.change(func(l *trust.Lock) error { l.Forget(sum); return nil }); err != nil {
		return err
	}
	return os.Remove(i.fileOf(sum))
}

func (i *installer) change(change func(*trust.Lock) error) error {
	lock, err := trust.ReadLock(i.lock)
	if err != nil {
		return err
	}
	if err := change(&lock); err != nil {
		return err
	}
	return lock.Write(i.lock)
}
