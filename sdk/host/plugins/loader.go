package plugins

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
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

// ErrBroke is part of each error of a [LoaderInstance] that may well be of what the loader
// was given, and come again with that: its process ended by itself over it, it panicked, or
// it took too long though the files could be read.
var ErrBroke = errors.New("the loader broke down")

// LoaderInstance is a loader that outlives the processes of its plugin, as an
// [Instance] does: a call waits for the process, and is made again when that ends
// under it, unless it inspects: whoever asked decides that, since the files may be why, and
// each end is one for all that the loader is doing.
type LoaderInstance struct{ *instance }

// Loader returns a new loader. There need not be such a plugin yet.
func (m *Manager) Loader(s Setup) *LoaderInstance {
	return &LoaderInstance{m.open(s, loaderKind{}, MaxInspections)}
}

// call makes a call of the loader; see [instance.call].
func (i *LoaderInstance) call(ctx context.Context, name string, limit time.Duration, again bool, do func(context.Context, loader.Loader) error) error {
	err := i.instance.call(ctx, name, limit, again, func(ctx context.Context, b backend) error { return do(ctx, b.(loader.Loader)) })
	if broke(err) {
		return fmt.Errorf("%w%w", err, hidden{ErrBroke})
	}
	return err
}

// broke reports whether a call's error may well be of what the loader was given.
func broke(err error) bool {
	if errors.Is(err, errEnded) {
		return !errors.Is(err, errKilled)
	}
	switch fault.KindOf(err) {
	case fault.Internal:
		return fault.SideOf(err) == fault.Plugin
	case fault.Timeout:
		return errors.Is(err, errLate)
	}
	return false
}

// Probe implements [loader.Loader].
func (i *LoaderInstance) Probe(ctx context.Context, files []loader.File) (guess loader.Guess, err error) {
	err = i.call(ctx, "probe", probeTimeout, true, func(ctx context.Context, l loader.Loader) (err error) {
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
	err = i.call(ctx, "inspect", inspectTimeout, false, func(ctx context.Context, l loader.Loader) (err error) {
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
	err = i.call(ctx, "plan", planTimeout, true, func(ctx context.Context, l loader.Loader) (err error) {
		recipe, err = l.Plan(ctx, r)
		return err
	})
	return recipe, err
}
