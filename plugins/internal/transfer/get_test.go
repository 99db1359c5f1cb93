package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// served is the content of a part; it counts that it was closed.
type served struct {
	io.Reader
	closed *int
}

func (s served) Close() error {
	*s.closed++
	return nil
}

// object is one of a service, and how the service is wrong about it.
type object struct {
	content []byte
	total   int64 // that its first part tells
	more    error // of the parts that follow
	stat    int64 // the size that Stat tells
	asked   int   // for first parts
	opened  int
	closed  int
}

func (o *object) get(t *testing.T, r storage.Range) ([]byte, error) {
	t.Helper()
	part := func(offset, length int64) (io.ReadCloser, int64, error) {
		if offset >= int64(len(o.content)) {
			return nil, 0, ErrNoPart
		}
		some := o.content[offset:min(offset+length, int64(len(o.content)))]
		o.opened++
		return served{bytes.NewReader(some), &o.closed}, int64(len(some)), nil
	}
	in, err := Cut{PartBytes: 4, AtOnce: 1}.Get(t.Context(), r, Object{
		Key: "k",
		Open: func(_ context.Context, offset, length int64) (Part, error) {
			o.asked++
			in, n, err := part(offset, length)
			return Part{Body: in, Bytes: n, TotalBytes: o.total, More: func(_ context.Context, offset, length int64) (io.ReadCloser, error) {
				if o.more != nil {
					return nil, o.more
				}
				in, _, err := part(offset, length)
				return in, err
			}}, err
		},
		Stat: func(context.Context, string) (storage.Info, error) {
			return storage.Info{Key: "k", SizeBytes: o.stat}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(in)
	return got, errors.Join(err, in.Close())
}

func TestGetReadsARange(t *testing.T) {
	whole := []byte("0123456789")
	for _, c := range []struct {
		r    storage.Range
		want string
	}{
		{storage.Range{}, "0123456789"},
		{storage.Range{LengthBytes: 3}, "012"},
		{storage.Range{OffsetBytes: 2, LengthBytes: 7}, "2345678"},
		{storage.Range{OffsetBytes: 8, LengthBytes: 100}, "89"},
	} {
		o := &object{content: whole, total: 10, stat: 10}
		if got, err := o.get(t, c.r); err != nil || string(got) != c.want || o.closed != o.opened || o.asked != 1 {
			t.Errorf("%+v: %q, %v; %d of %d closed", c.r, got, err, o.closed, o.opened)
		}
	}
}

func TestGetOfWhatThereIsNoPartOf(t *testing.T) {
	if got, err := (&object{}).get(t, storage.Range{}); err != nil || len(got) != 0 {
		t.Errorf("an empty object: %q, %v", got, err)
	}
	for name, c := range map[string]struct {
		object object
		r      storage.Range
		kind   fault.Kind
	}{
		"from behind its end":         {object{stat: 3}, storage.Range{OffsetBytes: 4}, fault.Invalid},
		"it has come meanwhile":       {object{stat: 3}, storage.Range{}, fault.Conflict},
		"it is shorter meanwhile":     {object{content: []byte("01234567"), total: 8, more: ErrNoPart}, storage.Range{}, fault.Conflict},
		"the service tells no size":   {object{content: []byte("0"), total: -1}, storage.Range{}, fault.Internal},
		"its size is before the part": {object{content: []byte("0123"), total: 1}, storage.Range{OffsetBytes: 3}, fault.Invalid},
	} {
		got, err := c.object.get(t, c.r)
		if fault.KindOf(err) != c.kind || c.object.closed != c.object.opened {
			t.Errorf("%s: %q, %v; %d of %d closed", name, got, err, c.object.closed, c.object.opened)
		}
	}
	negative := &object{content: []byte("0"), total: 1}
	if _, err := negative.get(t, storage.Range{OffsetBytes: -1}); fault.KindOf(err) != fault.Invalid || negative.asked != 0 {
		t.Errorf("a negative range: %v, asked %d times", err, negative.asked)
	}
}
