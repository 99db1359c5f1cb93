package plugins

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/loader"
)

// How long a loader may take. To inspect is to wait for a storage.
const (
	probeTimeout   = 10 * time.Second
	planTimeout    = 10 * time.Second
	inspectTimeout = 5 * time.Minute
)

// MaxInspections is how many models a loader looks at at a time. Further ones wait.
const MaxInspections = 2

var _ loader.Loader = (*LoaderInstance)(nil)

// LoaderInstance is a loader that outlives the processes of its plugin, as an
// [Instance] does: a call waits for the process, and is made again when that ends
// under it.
type LoaderInstance struct{ *instance }

// Loader returns a new loader. There need not be such a plugin yet.
func (m *Manager) Loader(s Setup) *LoaderInstance {
	return &LoaderInstance{m.open(s, loaderKind{}, MaxInspections)}
}

// call makes a call of the loader; see [instance.call].
func (i *LoaderInstance) call(ctx context.Context, name string, limit time.Duration, do func(context.Context, loader.Loader) error) error {
	return i.instance.call(ctx, name, limit, true, func(ctx context.Context, b backend) error { return do(ctx, b.(loader.Loader)) })
}

// Probe implements [loader.Loader].
func (i *LoaderInstance) Probe(ctx context.Context, files []loader.File) (guess loader.Guess, err error) {
	err = i.call(ctx, "probe", probeTimeout, func(ctx context.Context, l loader.Loader) (err error) {
		guess, err = l.Probe(ctx, files)
		return err
	})
	return guess, err
}

// Inspect implements [loader.Loader].
func (i *LoaderInstance) Inspect(ctx context.Context, files loader.Files) (info loader.Info, err error) {
	leave, err := i.transfer(ctx)
	if err != nil {
		return loader.Info{}, err
	}
	defer leave()
	var unreadable error
	err = i.call(ctx, "inspect", inspectTimeout, func(ctx context.Context, l loader.Loader) (err error) {
		noting := &noting{Files: files}
		info, err = l.Inspect(ctx, noting)
		unreadable = noting.err()
		if unreadable == nil {
			return err
		}
		return nil // that files can't be read says nothing of the loader
	})
	return info, cmp.Or(err, unreadable)
}

// noting are files that keep what was wrong with them.
type noting struct {
	loader.Files

	mu    sync.Mutex
	first error
}

func (n *noting) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	read, err := n.Files.ReadAt(ctx, path, p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		n.mu.Lock()
		n.first = cmp.Or(n.first, err)
		n.mu.Unlock()
	}
	return read, err
}

func (n *noting) err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.first
}

// Plan implements [loader.Loader].
func (i *LoaderInstance) Plan(ctx context.Context, r loader.Request) (recipe loader.Recipe, err error) {
	err = i.call(ctx, "plan", planTimeout, func(ctx context.Context, l loader.Loader) (err error) {
		recipe, err = l.Plan(ctx, r)
		return err
	})
	return recipe, err
}
