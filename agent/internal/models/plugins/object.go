package plugins

import (
	"context"
	"io"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// object is a file in a plugin's storage.
type object struct {
	instance *instance
	key      string
	size     int64

	mu      sync.Mutex
	looked  bool
	version string // that it had when it was first looked at
}

// Name implements fetch.Opener.
func (o *object) Name() string { return "the storage of the plugin " + o.instance.of.Name }

// Open implements fetch.Opener.
func (o *object) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	from, err := o.instance.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.look(ctx, from); err != nil {
		return nil, o.instance.clean(err)
	}
	body, err := from.Get(ctx, o.key, storage.Range{OffsetBytes: offset, LengthBytes: length})
	if err != nil {
		return nil, o.instance.clean(err)
	}
	return &cleaned{body, o.instance}, nil
}

// look says whether the object still is what it was: ranges of two make none.
func (o *object) look(ctx context.Context, from storage.Backend) error {
	info, err := from.Stat(ctx, o.key)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.looked {
		o.looked, o.version = true, info.Version
	}
	if info.SizeBytes != o.size || info.Version != o.version {
		return fault.New(fault.Corrupt, "the model's file in %s is another one than was planned with: it should have %d bytes, and stay as it is", o.Name(), o.size).On(fault.Service)
	}
	return nil
}

// cleaned is a reader whose errors have no secrets.
type cleaned struct {
	io.ReadCloser
	instance *instance
}

// Read implements [io.Reader].
func (c *cleaned) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = c.instance.clean(err)
	}
	return n, err
}
