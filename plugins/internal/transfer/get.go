package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// ErrNoPart is that an object has none of the bytes that a part of it would have.
var ErrNoPart = errors.New("the object ends before the part that is asked for")

// Part is a part of an object that is open.
type Part struct {
	Body       io.ReadCloser
	Bytes      int64 // of Body
	TotalBytes int64 // of the object; below 0 where the service does not say
	More       Open  // opens others of the same version
}

// Object is what is read, as its service gives it.
type Object struct {
	Key string
	// Open opens the first part, or less of it where the object ends within; where it
	// ends before, that is ErrNoPart.
	Open func(ctx context.Context, offset, length int64) (Part, error)
	Stat func(ctx context.Context, key string) (storage.Info, error)
}

// Get reads a range of an object as a backend's Get does. How large the object is, its
// first part tells.
func (c Cut) Get(ctx context.Context, r storage.Range, o Object) (io.ReadCloser, error) {
	if _, _, err := r.Of(1 << 62); err != nil {
		return nil, err
	}
	first := c.PartBytes
	if r.LengthBytes > 0 {
		first = min(first, r.LengthBytes)
	}
	part, err := o.Open(ctx, r.OffsetBytes, first)
	if errors.Is(err, ErrNoPart) {
		return getNothing(ctx, r, o)
	}
	if err != nil {
		return nil, err
	}
	if part.TotalBytes < 0 {
		_ = part.Body.Close() // it is not what was asked for
		return nil, fault.New(fault.Internal, "the service does not say which part of the object %q it sends", o.Key).On(fault.Service)
	}
	offset, length, err := r.Of(part.TotalBytes)
	if err != nil {
		_ = part.Body.Close() // nothing of it is wanted
		return nil, err
	}
	more := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		in, err := part.More(ctx, offset, length)
		if errors.Is(err, ErrNoPart) {
			return nil, replaced(o.Key) // by a shorter one
		}
		return in, err
	}
	return c.Fetch(ctx, Section{Begin: part.Body, BeginBytes: part.Bytes, Offset: offset, Bytes: length, More: more}), nil
}

func replaced(key string) error {
	return fault.New(fault.Conflict, "the object %q was replaced while it was read", key).On(fault.Service)
}

// getNothing is a Get of what the service has no part of: an object may be empty.
func getNothing(ctx context.Context, r storage.Range, o Object) (io.ReadCloser, error) {
	info, err := o.Stat(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	if _, _, err := r.Of(info.SizeBytes); err != nil {
		return nil, err
	}
	if info.SizeBytes > 0 {
		return nil, replaced(o.Key)
	}
	return http.NoBody, nil
}
