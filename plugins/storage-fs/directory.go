package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// directory is a [storage.Backend]. A key is the path of its file. Nothing of it
// leads out of the directory, whatever links are in there.
type directory struct {
	path string
	root *os.Root
	sync bool
}

var (
	_ storage.Backend   = (*directory)(nil)
	_ storage.Creator   = (*directory)(nil)
	_ storage.Copier    = (*directory)(nil)
	_ storage.Pager     = (*directory)(nil)
	_ storage.Locator   = (*directory)(nil)
	_ storage.Checker   = (*directory)(nil)
	_ storage.Sweeper   = (*directory)(nil)
	_ storage.Addresser = (*directory)(nil)
)

// unfinished is where uploads are until they are whole.
const unfinished = storage.Reserved + "/unfinished"

const dirMode, fileMode = 0o755, 0o644

func newDirectory(path string, sync bool) (*directory, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, explained(err, "make the directory %s", path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, explained(err, "open the directory %s", path)
	}
	d := &directory{path: path, root: root, sync: sync}
	if err := root.MkdirAll(unfinished, dirMode); err != nil {
		return nil, errors.Join(explained(err, "write to the directory %s", path), root.Close())
	}
	return d, nil
}

// Close lets go of the directory.
func (d *directory) Close() error { return d.root.Close() }

// Address implements [storage.Addresser].
func (d *directory) Address() string { return "file://" + d.path + "/" }

// Stat implements [storage.Backend].
func (d *directory) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	info, err := d.root.Lstat(key)
	if err == nil && !info.Mode().IsRegular() {
		return storage.Info{}, absent(key)
	}
	if err != nil {
		return storage.Info{}, explainedOf(err, key)
	}
	return infoOf(key, info), nil
}

func infoOf(key string, info fs.FileInfo) storage.Info {
	version := fmt.Sprintf("%d-%d", info.ModTime().UnixNano(), info.Size())
	if s, ok := info.Sys().(*syscall.Stat_t); ok { // an object that is replaced is another file
		version = fmt.Sprintf("%x-%x", s.Ino, info.ModTime().UnixNano())
	}
	return storage.Info{Key: key, SizeBytes: info.Size(), ModifiedAt: info.ModTime().UTC(), Version: version}
}

// Get implements [storage.Backend].
func (d *directory) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, info, err := d.openFile(key)
	if err != nil {
		return nil, err
	}
	return storage.Section(f, info.Size(), r)
}

// openFile opens the file of an object.
func (d *directory) openFile(key string) (*os.File, fs.FileInfo, error) {
	// Without waiting: who put a pipe there would have us wait for ever.
	f, err := d.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, explainedOf(err, key)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = absent(key)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Delete implements [storage.Backend]. Directories that are empty then go as well.
func (d *directory) Delete(ctx context.Context, key string) error {
	switch _, err := d.Stat(ctx, key); {
	case fault.KindOf(err) == fault.NotFound:
		return nil
	case err != nil:
		return err
	}
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explainedOf(err, key)
	}
	parent := filepath.Dir(key)
	for ; parent != "."; parent = filepath.Dir(parent) {
		if d.root.Remove(parent) != nil { // something else is in there, or will be
			break
		}
	}
	return d.persist(parent)
}

// LocalPath implements [storage.Locator].
func (d *directory) LocalPath(ctx context.Context, key string) (string, error) {
	if _, err := d.Stat(ctx, key); err != nil {
		return "", err
	}
	return filepath.Join(d.path, key), nil
}

// Check implements [storage.Checker]: whether an upload could begin.
func (d *directory) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(d.path); err != nil { // the open one may be gone from its place
		return explained(err, "look at the directory %s", d.path)
	}
	f, name, err := d.newUnfinished()
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), d.root.Remove(name))
}

func absent(key string) error { return fault.New(fault.NotFound, "there is no object %q", key) }

// explainedOf gives an error of an object's file its kind.
func explainedOf(err error, key string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), escapes(err):
		return fault.Wrap(fault.NotFound, err, "there is no object %q", key)
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
		return fault.Wrap(fault.Conflict, err, "something else is where the object %q would be", key)
	}
	return explained(err, "reach the object %q", key)
}

// escapes reports whether an error is that of [os.Root] for a link that leads out of
// it, which has no name.
func escapes(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && p.Err.Error() == "path escapes from parent"
}

// explained gives an error of the file system its kind.
func explained(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, "there is no space left to %s", what).On(fault.Service)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Wrap(fault.Forbidden, err, "the plugin may not %s", what).On(fault.Service)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fault.Wrap(fault.Invalid, err, "a name is too long to %s", what).On(fault.Caller)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ENOTCONN):
		return fault.Wrap(fault.Unavailable, err, "the plugin can't %s", what).On(fault.Service)
	}
	return fault.Wrap(fault.Internal, err, "the plugin can't %s", what)
}
