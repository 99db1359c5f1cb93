package plugins

import (
	"context"
	"iter"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

var (
	_ storage.Backend   = (*Instance)(nil)
	_ storage.Limited   = (*Instance)(nil)
	_ storage.Copier    = (*Instance)(nil)
	_ storage.Creator   = (*Instance)(nil)
	_ storage.Presigner = (*Instance)(nil)
	_ storage.Pager     = (*Instance)(nil)
	_ storage.Locator   = (*Instance)(nil)
	_ storage.Checker   = (*Instance)(nil)
	_ storage.Sweeper   = (*Instance)(nil)
	_ storage.Addresser = (*Instance)(nil)

	_ storage.OnlyReader = (*Instance)(nil)
)

// Instance is a storage that outlives the processes of its plugin. It can be used
// from the beginning: a call waits for the process, is made again where that can do
// no harm when the process ends under it, and fails with fault.Unavailable on the
// plugin's side where that was not enough.
//
// What it can do, its capabilities and its address, is what the plugin said when it
// was opened last; nothing before that. [Instance.Opened] waits for it.
type Instance struct{ *instance }

// MaxTransfers is how many objects an instance reads and writes at a time. Further
// ones wait.
const MaxTransfers = 8

// Storage returns a new instance. There need not be such a plugin yet.
func (m *Manager) Storage(s Setup) *Instance {
	return &Instance{m.open(s, storageKind{}, MaxTransfers)}
}

// enter waits until the storage is open; see [instance.enter].
func (i *Instance) enter(ctx context.Context) (*generation, storage.Backend, error) {
	g, b, err := i.instance.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	return g, b.(storage.Backend), nil
}

// call makes a call of the storage; see [instance.call].
func (i *Instance) call(ctx context.Context, name string, limit time.Duration, again bool, do func(context.Context, storage.Backend) error) error {
	return i.instance.call(ctx, name, limit, again, onStorage(do))
}

// once makes a call of the storage a single time.
func (i *Instance) once(ctx context.Context, name string, do func(context.Context, storage.Backend) error) error {
	return i.instance.once(ctx, name, onStorage(do))
}

func onStorage(do func(context.Context, storage.Backend) error) func(context.Context, backend) error {
	return func(ctx context.Context, b backend) error { return do(ctx, b.(storage.Backend)) }
}

// as makes a call of one of the small interfaces.
func as[T any](do func(context.Context, T) error) func(context.Context, storage.Backend) error {
	return func(ctx context.Context, b storage.Backend) error {
		does, ok := storage.As[T](b)
		if !ok {
			return fault.New(fault.NotImplemented, "the storage can't do that")
		}
		return do(ctx, does)
	}
}

// Capabilities implements [storage.Limited].
func (i *Instance) Capabilities() storage.Capabilities {
	i.unit.mu.Lock()
	defer i.unit.mu.Unlock()
	return i.can
}

// OnlyReads implements [storage.OnlyReader].
func (i *Instance) OnlyReads() {}

// Address implements [storage.Addresser].
func (i *Instance) Address() string {
	i.unit.mu.Lock()
	defer i.unit.mu.Unlock()
	return i.address
}

// Stat implements [storage.Backend].
func (i *Instance) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	err = i.call(ctx, "stat", statTimeout, true, func(ctx context.Context, b storage.Backend) (err error) {
		info, err = b.Stat(ctx, key)
		return err
	})
	return info, err
}

// Delete implements [storage.Backend].
func (i *Instance) Delete(ctx context.Context, key string) error {
	return i.call(ctx, "delete", deleteTimeout, true, func(ctx context.Context, b storage.Backend) error { return b.Delete(ctx, key) })
}

// Page implements [storage.Pager].
func (i *Instance) Page(ctx context.Context, r storage.PageRequest) (page storage.Page, err error) {
	err = i.call(ctx, "page", pageTimeout, true, func(ctx context.Context, b storage.Backend) (err error) {
		page, err = storage.ListPage(ctx, b, r)
		return err
	})
	return page, err
}

// List implements [storage.Backend]. It is begun again where the process has ended
// before anything was yielded; after that nobody would know what is missing.
func (i *Instance) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		yielded, more := false, true
		ctx, idle := newIdle(ctx, i.unit.config.times.idle)
		defer idle.end()
		err := i.call(ctx, "list", 0, true, func(ctx context.Context, b storage.Backend) error {
			idle.wait()
			for info, err := range b.List(ctx, prefix) {
				idle.rest()
				if err != nil {
					return unrepeatable(err, yielded)
				}
				yielded, more = true, yield(info, nil)
				if !more {
					return nil
				}
				idle.wait()
			}
			return nil
		})
		if err != nil && more {
			yield(storage.Info{}, err)
		}
	}
}

// unrepeatable is an error after which a call is not made again.
func unrepeatable(err error, is bool) error {
	if !is || fault.KindOf(err) != fault.Unavailable {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the listing broke off: %s", fault.MessageOf(err)).On(fault.SideOf(err))
}

// Copy implements [storage.Copier].
func (i *Instance) Copy(ctx context.Context, target, source string) error {
	return i.call(ctx, "copy", 0, false, as(func(ctx context.Context, b storage.Copier) error { return b.Copy(ctx, target, source) }))
}

// PresignGet implements [storage.Presigner].
func (i *Instance) PresignGet(ctx context.Context, key string, ttl time.Duration) (p storage.Presigned, err error) {
	err = i.call(ctx, "presign", presignTimeout, true, as(func(ctx context.Context, b storage.Presigner) (err error) {
		p, err = b.PresignGet(ctx, key, ttl)
		return err
	}))
	return p, err
}

// LocalPath implements [storage.Locator].
func (i *Instance) LocalPath(ctx context.Context, key string) (path string, err error) {
	err = i.call(ctx, "locate", statTimeout, true, as(func(ctx context.Context, b storage.Locator) (err error) {
		path, err = b.LocalPath(ctx, key)
		return err
	}))
	return path, err
}

// Check implements [storage.Checker]: it asks now, whatever the last look has found.
func (i *Instance) Check(ctx context.Context) error {
	return i.call(ctx, "health", openTimeout, true, storage.CheckBackend)
}

// Sweep implements [storage.Sweeper].
func (i *Instance) Sweep(ctx context.Context, age time.Duration) (swept int, err error) {
	err = i.call(ctx, "sweep", sweepTimeout, false, as(func(ctx context.Context, b storage.Sweeper) (err error) {
		swept, err = b.Sweep(ctx, age)
		return err
	}))
	return swept, err
}
