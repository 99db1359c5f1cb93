// Package memory is a storage backend that keeps its objects in memory: the smallest
// complete one, to read first and to test with.
package memory

import (
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Backend is a [storage.Backend] in memory.
type Backend struct {
	maxBytes int64

	mu      sync.RWMutex
	objects map[string]object
	puts    uint64
}

type object struct {
	content []byte // never changed
	info    storage.Info
}

var (
	_ storage.Backend = (*Backend)(nil)
	_ storage.Creator = (*Backend)(nil)
)

// New returns a backend without objects, which takes objects of up to maxBytes.
func New(maxBytes int64) *Backend {
	return &Backend{maxBytes: maxBytes, objects: map[string]object{}}
}

// Stat implements [storage.Backend].
func (b *Backend) Stat(ctx context.Context, key string) (storage.Info, error) {
	o, err := b.find(ctx, key)
	return o.info, err
}

// Get implements [storage.Backend].
func (b *Backend) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	o, err := b.find(ctx, key)
	if err != nil {
		return nil, err
	}
	offset, length, err := r.Of(o.info.SizeBytes)
	if err != nil {
		return nil, err
	}
	return storage.Bytes(o.content[offset : offset+length]).Open()
}

func (b *Backend) find(ctx context.Context, key string) (object, error) {
	if err := ctx.Err(); err != nil {
		return object{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	o, ok := b.objects[key]
	if !ok {
		return object{}, fault.New(fault.NotFound, "there is no object %q", key)
	}
	return o, nil
}

// Put implements [storage.Backend].
func (b *Backend) Put(ctx context.Context, key string, src storage.Source) error {
	return b.store(ctx, key, src, false)
}

// Create implements [storage.Creator].
func (b *Backend) Create(ctx context.Context, key string, src storage.Source) error {
	return b.store(ctx, key, src, true)
}

func (b *Backend) store(ctx context.Context, key string, src storage.Source, isNew bool) error {
	content, err := b.read(ctx, src)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, there := b.objects[key]; there && isNew {
		return fault.New(fault.Conflict, "there is an object %q already", key)
	}
	b.puts++
	b.objects[key] = object{content, storage.Info{
		Key: key, SizeBytes: int64(len(content)), ModifiedAt: time.Now().UTC(), Version: strconv.FormatUint(b.puts, 10),
	}}
	return nil
}

// read takes all of a source.
func (b *Backend) read(ctx context.Context, src storage.Source) ([]byte, error) {
	in, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close() // it was only read
	content, err := io.ReadAll(io.LimitReader(storage.WithContext(ctx, in), b.maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > b.maxBytes {
		return nil, fault.New(fault.TooLarge, "an object may have %d bytes", b.maxBytes)
	}
	return content, nil
}

// Delete implements [storage.Backend].
func (b *Backend) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, key)
	return nil
}

// List implements [storage.Backend], in the order of the keys.
func (b *Backend) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		b.mu.RLock()
		objects := maps.Clone(b.objects)
		b.mu.RUnlock()
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			if err := ctx.Err(); err != nil {
				yield(storage.Info{}, err)
				return
			}
			if strings.HasPrefix(key, prefix) && !yield(objects[key].info, nil) {
				return
			}
		}
	}
}
