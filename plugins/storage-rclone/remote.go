package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/walk"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// remote is a [storage.Backend].
type remote struct {
	fs  fs.Fs
	can storage.Capabilities

	keeping sync.Mutex
	keeps   bool // the folder of what is not whole has something in it that stays
}

var (
	_ storage.Backend = (*remote)(nil)
	_ storage.Copier  = (*remote)(nil)
	_ storage.Checker = (*remote)(nil)
	_ storage.Sweeper = (*remote)(nil)
	_ storage.Limited = (*remote)(nil)
	_ io.Closer       = (*remote)(nil)
)

// unfinished is where uploads are until they are whole.
const unfinished = storage.Reserved + "/unfinished"

// Capabilities implements [storage.Limited].
func (r *remote) Capabilities() storage.Capabilities { return r.can }

// closeTimeout is how long a service may take to say goodbye.
const closeTimeout = 5 * time.Second

// Close lets go of the connections.
func (r *remote) Close() error {
	shutdown := r.fs.Features().Shutdown
	if shutdown == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return shutdown(ctx)
}

// Stat implements [storage.Backend].
func (r *remote) Stat(ctx context.Context, key string) (storage.Info, error) {
	o, err := r.find(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	return infoOf(ctx, o), nil
}

func (r *remote) find(ctx context.Context, key string) (fs.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := r.fs.NewObject(ctx, key)
	if isAbsent(err) {
		return nil, absent(key)
	}
	return o, explained(ctx, err, "look at the object %q", key)
}

// infoOf returns what is known of an object. A version is not: a time and a size may be
// those of other bytes as well.
func infoOf(ctx context.Context, o fs.Object) storage.Info {
	return storage.Info{Key: o.Remote(), SizeBytes: o.Size(), ModifiedAt: o.ModTime(ctx).UTC()}
}

// Get implements [storage.Backend].
func (r *remote) Get(ctx context.Context, key string, part storage.Range) (io.ReadCloser, error) {
	o, err := r.find(ctx, key)
	if err != nil {
		return nil, err
	}
	offset, length, err := part.Of(o.Size())
	if err != nil {
		return nil, err
	}
	if length == 0 {
		return http.NoBody, nil
	}
	var options []fs.OpenOption
	if length < o.Size() {
		options = append(options, &fs.RangeOption{Start: offset, End: offset + length - 1})
	}
	in, err := o.Open(ctx, options...)
	if isAbsent(err) {
		return nil, absent(key)
	}
	if err != nil {
		return nil, explained(ctx, err, "read the object %q", key)
	}
	return &whole{ctx: ctx, in: in, left: length, key: key}, nil
}

// whole reads so many bytes, or fails.
type whole struct {
	ctx  context.Context //nolint:containedctx // of the reader, which ends with it
	in   io.ReadCloser
	left int64
	key  string
}

// Read implements io.Reader.
func (w *whole) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err := w.in.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if err == io.EOF && w.left > 0 {
		err = fault.Wrap(fault.Unavailable, io.ErrUnexpectedEOF, "the object %q breaks off", w.key).On(fault.Service)
	}
	if err == io.EOF {
		err = nil // told by the next read
	}
	return n, explained(w.ctx, err, "read the object %q", w.key)
}

// Close implements io.Closer.
func (w *whole) Close() error { return w.in.Close() }

// Delete implements [storage.Backend]. Folders that are empty then go as well.
func (r *remote) Delete(ctx context.Context, key string) error {
	o, err := r.find(ctx, key)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if err := o.Remove(ctx); err != nil && !isAbsent(err) {
		// That somebody else was faster, services say each in words of their own.
		if _, now := r.find(ctx, key); fault.KindOf(now) != fault.NotFound {
			return explained(ctx, err, "delete the object %q", key)
		}
	}
	r.tidy(ctx, path.Dir(key))
	return nil
}

// tidy removes folders that are empty, from the innermost on. Others may put something
// there meanwhile, or the service have no folders.
func (r *remote) tidy(ctx context.Context, folder string) {
	if !r.fs.Features().CanHaveEmptyDirectories {
		return
	}
	for ; folder != "."; folder = path.Dir(folder) {
		if r.fs.Rmdir(ctx, folder) != nil {
			return
		}
	}
}

// Copy implements [storage.Copier].
func (r *remote) Copy(ctx context.Context, target, source string) error {
	if r.fs.Features().Copy == nil {
		return fault.New(fault.NotImplemented, "the service can't copy").On(fault.Caller)
	}
	o, err := r.find(ctx, source)
	if err != nil || target == source {
		return err
	}
	_, err = r.fs.Features().Copy(ctx, o, target)
	return explained(ctx, err, "copy to the object %q", target)
}

// errEnough is that nobody wants the rest of a listing.
var errEnough = errors.New("enough")

// List implements [storage.Backend].
func (r *remote) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		folder, _ := path.Split(prefix)
		err := r.walk(ctx, strings.TrimSuffix(folder, "/"), func(o fs.Object) error {
			if strings.HasPrefix(o.Remote(), prefix) && storage.CheckKey(o.Remote()) == nil && !yield(infoOf(ctx, o), nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(storage.Info{}, err)
		}
	}
}

// walk visits all objects of a folder and those below it.
func (r *remote) walk(ctx context.Context, folder string, visit func(fs.Object) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := walk.ListR(ctx, r.fs, folder, true, -1, walk.ListObjects, func(entries fs.DirEntries) error {
		for _, e := range entries {
			o, ok := e.(fs.Object)
			if !ok {
				continue
			}
			if err := visit(o); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if errors.Is(err, errEnough) {
		return errEnough
	}
	if isAbsent(err) {
		return nil
	}
	return explained(ctx, err, "list the objects")
}

// Check implements [storage.Checker].
func (r *remote) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := r.fs.List(ctx, "")
	if errors.Is(err, fs.ErrorDirNotFound) { // which the first object makes
		return nil
	}
	return explained(ctx, err, "list the objects")
}

// Sweep implements [storage.Sweeper].
func (r *remote) Sweep(ctx context.Context, age time.Duration) (int, error) {
	swept := 0
	err := r.walk(ctx, unfinished, func(o fs.Object) error {
		if o.Remote() == kept || time.Since(o.ModTime(ctx)) < age {
			return nil
		}
		if err := o.Remove(ctx); err != nil && !isAbsent(err) {
			return explained(ctx, err, "remove what an upload has left")
		}
		swept++
		return nil
	})
	return swept, err
}
