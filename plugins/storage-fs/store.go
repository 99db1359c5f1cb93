package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Put implements [storage.Backend].
func (d *directory) Put(ctx context.Context, key string, src storage.Source) error {
	return d.store(ctx, key, src, d.root.Rename)
}

// Create implements [storage.Creator].
func (d *directory) Create(ctx context.Context, key string, src storage.Source) error {
	return d.store(ctx, key, src, d.root.Link)
}

// Copy implements [storage.Copier]. The system copies, or shares the blocks.
func (d *directory) Copy(ctx context.Context, target, source string) error {
	f, info, err := d.openFile(source)
	if err != nil {
		return err
	}
	return d.Put(ctx, target, &copied{f, info.Size()})
}

// copied is the source of a copy.
type copied struct {
	*os.File
	size int64
}

func (c *copied) SizeBytes() int64             { return c.size }
func (c *copied) Open() (io.ReadCloser, error) { return c.File, nil }

// store writes a source to a file beside the objects, and puts it in its place when
// it is whole.
func (d *directory) store(ctx context.Context, key string, src storage.Source, place func(from, to string) error) (err error) {
	f, name, err := d.newUnfinished()
	if err != nil {
		return err
	}
	placed := false
	defer func() {
		if !placed {
			err = errors.Join(err, d.discard(name))
		}
	}()
	if err := errors.Join(d.fill(ctx, unfinishedFile{f, name, key}, src), f.Close()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.place(name, key, place); err != nil {
		return err
	}
	_, err = d.root.Lstat(name) // a link leaves it
	placed = err != nil
	return d.persist(filepath.Dir(key))
}

// discard removes what was not placed, or was placed by another link.
func (d *directory) discard(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// newUnfinished makes a file for what is not whole yet.
func (d *directory) newUnfinished() (*os.File, string, error) {
	name := filepath.Join(unfinished, rand.Text())
	for range 2 {
		f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		if err == nil {
			return f, name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", explained(err, "write to the directory %s", d.path)
		}
		if err := d.root.MkdirAll(unfinished, dirMode); err != nil { // somebody has tidied up
			return nil, "", explained(err, "write to the directory %s", d.path)
		}
	}
	return nil, "", fault.New(fault.Unavailable, "the directory %s is emptied while it is in use", d.path).On(fault.Service)
}

// unfinishedFile is a file that is to become an object.
type unfinishedFile struct {
	*os.File

	name string // below the directory
	key  string // of the object
}

// fill has a file have all of a source.
func (d *directory) fill(ctx context.Context, f unfinishedFile, src storage.Source) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	if gift, is := in.(storage.Gift); is {
		if kept, err := d.keep(gift, f); kept || err != nil {
			return err
		}
	}
	if err := d.room(src.SizeBytes()); err != nil {
		return err
	}
	n, err := copyAll(ctx, f.File, in)
	if err != nil {
		return err
	}
	if size := src.SizeBytes(); size >= 0 && n != size {
		return fault.New(fault.Invalid, "%d bytes came, where %d were announced", n, size).On(fault.Caller)
	}
	return d.flush(f.File)
}

// flush has the disk have what is in a file.
func (d *directory) flush(f *os.File) error {
	if !d.sync {
		return nil
	}
	return explained(f.Sync(), "write an object to the disk")
}

// room says of an object that the disk has no room for it, before its bytes have come. Of
// a size that isn't known, or a disk that doesn't tell, the writing says it.
func (d *directory) room(sizeBytes int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(d.path, &disk); err != nil || disk.Blocks == 0 {
		return nil //nolint:nilerr // as above
	}
	blocks := disk.Bavail
	if os.Geteuid() == 0 {
		blocks = disk.Bfree
	}
	if free := int64(blocks) * disk.Bsize; sizeBytes > free {
		return fault.New(fault.NoSpace, "the disk of the directory %s has %d bytes free, and an object of %d bytes needs %d more",
			d.path, free, sizeBytes, sizeBytes-free).On(fault.Service)
	}
	return nil
}

// copyPiece is how much is copied between two looks at the context.
const copyPiece = 4 << 20

// copyAll copies until the source ends. Errors of the file have their kinds, those of
// the source are as they were.
func copyAll(ctx context.Context, f *os.File, in io.Reader) (int64, error) {
	from := &remembering{r: in}
	var r io.Reader = from
	if _, is := in.(*os.File); is {
		r = in // by the system
	}
	total := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := io.CopyN(f, r, copyPiece)
		total += n
		switch {
		case err == io.EOF && (from.err == io.EOF || r == in):
			return total, nil
		case err != nil && from.err != nil && from.err != io.EOF:
			return total, from.err
		case err != nil:
			return total, explained(err, "write an object")
		}
	}
}

// remembering knows which error its reader has returned.
type remembering struct {
	r   io.Reader
	err error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil {
		r.err = err
	}
	return n, err
}

// placeTries is how often an object is put in its place before it is given up:
// somebody else removes the folder each time, just when it was made.
const placeTries = 50

// place puts a file where its object is to be, in folders that may be missing, and
// that a Delete may remove meanwhile.
func (d *directory) place(name, key string, place func(from, to string) error) error {
	var err error
	for range placeTries {
		if parent := filepath.Dir(key); parent != "." {
			err = d.root.MkdirAll(parent, dirMode)
		}
		if err == nil {
			err = place(name, key)
			if !errors.Is(err, fs.ErrNotExist) {
				break
			}
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return conflicting(err, key)
}

// conflicting is the error of an object that can't be where it should.
func conflicting(err error, key string) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fault.Wrap(fault.Conflict, err, "the beginning of %q is an object, and a file can't be in a file", key)
	}
	if err == nil {
		return nil
	}
	return explainedOf(err, key)
}

// persist has the disk know what is in a directory.
func (d *directory) persist(name string) error {
	if !d.sync {
		return nil
	}
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) { // it was emptied and removed
		return nil
	}
	if err != nil {
		return explained(err, "write a directory to the disk")
	}
	return errors.Join(explained(f.Sync(), "write a directory to the disk"), f.Close())
}

// Sweep implements [storage.Sweeper].
func (d *directory) Sweep(ctx context.Context, age time.Duration) (int, error) {
	left, err := fs.ReadDir(d.root.FS(), unfinished)
	if err != nil {
		return 0, explained(err, "look at what uploads have left")
	}
	swept := 0
	for _, entry := range left {
		if err := ctx.Err(); err != nil {
			return swept, err
		}
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < age { // it is gone, or goes on
			continue
		}
		if err := d.discard(filepath.Join(unfinished, entry.Name())); err != nil {
			return swept, explained(err, "remove what an upload has left")
		}
		swept++
	}
	return swept, nil
}
