package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/object"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Put implements [storage.Backend]. Not every service keeps an upload that fails from
// being seen, so that an object is sent under another name, and put in its place when
// it is whole; where a service can't do that, what is sent comes from a file, which
// does not fail half-way.
func (r *remote) Put(ctx context.Context, key string, src storage.Source) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	size := src.SizeBytes()
	from := io.Reader(in)
	if size < 0 || r.placing() == nil { // most services want to know the size before
		spooled, n, err := spool(ctx, in)
		if err != nil {
			return err
		}
		defer spooled.Close()
		if size >= 0 && n != size {
			return fault.New(fault.Invalid, "%d bytes came, where %d were announced", n, size).On(fault.Caller)
		}
		from, size = spooled, n
	}
	return r.place(ctx, key, func(to string) error { return r.send(ctx, to, from, size) })
}

// spool writes what is to be sent to a file that has no name.
func spool(ctx context.Context, in io.Reader) (*os.File, int64, error) {
	f, err := os.CreateTemp("", "corral-rclone-*")
	if err != nil {
		return nil, 0, fault.Wrap(fault.NoSpace, err, "an object can't be kept before it is sent")
	}
	if err := os.Remove(f.Name()); err != nil { // it goes when it is closed
		return nil, 0, errors.Join(err, f.Close())
	}
	size, err := io.Copy(f, storage.WithContext(ctx, in))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// send sends an object, in place of one that may be there.
func (r *remote) send(ctx context.Context, to string, in io.Reader, size int64) error {
	from := &checked{in: storage.WithContext(ctx, in), left: size}
	info := object.NewStaticObjectInfo(to, time.Now(), size, true, nil, nil)
	there, err := r.fs.NewObject(ctx, to)
	switch {
	case err == nil:
		err = there.Update(ctx, from, info)
	case isAbsent(err):
		_, err = r.fs.Put(ctx, from, info)
	}
	if from.err != nil {
		return from.err // whatever the service makes of it
	}
	if err != nil {
		return explained(ctx, err, "store the object")
	}
	return from.end()
}

// checked is a source that has to have so many bytes.
type checked struct {
	in   io.Reader
	left int64
	err  error
}

// Read implements io.Reader.
func (c *checked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.in.Read(p)
	if c.left -= int64(n); c.left < 0 || err == io.EOF && c.left > 0 {
		err = fault.New(fault.Invalid, "other many bytes came than were announced").On(fault.Caller)
	}
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// end returns nil where all was read, and nothing more comes. Whoever knows the size
// need not look.
func (c *checked) end() error {
	if c.left > 0 {
		return fault.New(fault.Internal, "the service took only a part of the object").On(fault.Service)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	return nil
}

// placing returns what puts an object in its place, nil where the service can't.
func (r *remote) placing() func(ctx context.Context, o fs.Object, to string) error {
	features := r.fs.Features()
	switch {
	case features.Move != nil:
		return func(ctx context.Context, o fs.Object, to string) error {
			_, err := features.Move(ctx, o, to)
			return err
		}
	case features.Copy != nil:
		return func(ctx context.Context, o fs.Object, to string) error {
			if _, err := features.Copy(ctx, o, to); err != nil {
				return err
			}
			return o.Remove(ctx)
		}
	}
	return nil
}

// place has an object made by make, and puts it in its place.
func (r *remote) place(ctx context.Context, key string, make func(to string) error) error {
	into := r.placing()
	if into == nil {
		return make(key)
	}
	name := unfinished + "/" + rand.Text()
	err := r.keepFolder(ctx)
	if err == nil {
		err = make(name)
	}
	var o fs.Object
	if err == nil {
		o, err = r.find(ctx, name)
	}
	if err == nil {
		err = explained(ctx, into(ctx, o, key), "put the object %q in its place", key)
	}
	if err == nil {
		return nil
	}
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if left, found := r.fs.NewObject(cleaning, name); found == nil {
		_ = left.Remove(cleaning) // else a sweep finds it
	}
	return err
}

// kept is an object that keeps the folder of what is not whole from being empty: some
// services remove an empty one just when something new is put there.
const kept = unfinished + "/keep"

func (r *remote) keepFolder(ctx context.Context) error {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	if r.keeps {
		return nil
	}
	if _, err := r.find(ctx, kept); fault.KindOf(err) == fault.NotFound {
		if err := r.send(ctx, kept, bytes.NewReader(nil), 0); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	r.keeps = true
	return nil
}

// cleanTimeout is how long what an upload has left may take to be removed.
const cleanTimeout = 10 * time.Second
