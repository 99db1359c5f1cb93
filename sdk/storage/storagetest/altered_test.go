package storagetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// full is the backend in memory with all that checks ask for.
type full struct {
	*memory.Backend
	dir    string // for files
	signer *signer
}

// newFull returns one that holds nothing, until the end of the test.
func newFull(t *testing.T) full {
	b := memory.New(1 << 30)
	return full{b, t.TempDir(), newSigner(t, b)}
}

// PresignGet implements [storage.Presigner].
func (f full) PresignGet(_ context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	return f.signer.sign(key, ttl), nil
}

func (f full) Copy(ctx context.Context, target, source string) error {
	return storage.CopyObject(ctx, f.Backend, target, source)
}

// LocalPath implements [storage.Locator], by a copy.
func (f full) LocalPath(ctx context.Context, key string) (string, error) {
	in, err := f.Get(ctx, key, storage.Range{})
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(f.dir, "object")
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	return file.Name(), errors.Join(err, file.Close())
}

func (f full) Sweep(context.Context, time.Duration) (int, error) { return 0, nil }

// Check implements [storage.Checker].
func (f full) Check(ctx context.Context) error { return ctx.Err() }

// Address implements [storage.Addresser].
func (f full) Address() string { return "memory://somewhere/" }

func (f full) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	return storage.ListPage(ctx, f.Backend, r)
}

// infos returns all that a listing has.
func (f full) infos(ctx context.Context, prefix string) []storage.Info {
	var all []storage.Info
	for info, err := range f.Backend.List(ctx, prefix) {
		if err != nil {
			return all
		}
		all = append(all, info)
	}
	return all
}

// altered is a backend of which some methods are others.
type altered struct {
	full
	stat    func(ctx context.Context, key string) (storage.Info, error)
	get     func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error)
	putting func(ctx context.Context, key string, src storage.Source) error
	del     func(ctx context.Context, key string) error
	listing func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error]
	create  func(ctx context.Context, key string, src storage.Source) error
	copying func(ctx context.Context, target, source string) error
	page    func(ctx context.Context, r storage.PageRequest) (storage.Page, error)
	locate  func(ctx context.Context, key string) (string, error)
	sweep   func(ctx context.Context, age time.Duration) (int, error)
	check   func(ctx context.Context) error
	address func() string
	can     func() storage.Capabilities
	presign func(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error)
}

func (a *altered) Check(ctx context.Context) error {
	if a.check != nil {
		return a.check(ctx)
	}
	return a.full.Check(ctx)
}

func (a *altered) Address() string {
	if a.address != nil {
		return a.address()
	}
	return a.full.Address()
}

// Capabilities implements [storage.Limited].
func (a *altered) Capabilities() storage.Capabilities {
	if a.can != nil {
		return a.can()
	}
	return ^storage.Capabilities(0)
}

func (a *altered) PresignGet(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	if a.presign != nil {
		return a.presign(ctx, key, ttl)
	}
	return a.full.PresignGet(ctx, key, ttl)
}

func (a *altered) Stat(ctx context.Context, key string) (storage.Info, error) {
	if a.stat != nil {
		return a.stat(ctx, key)
	}
	return a.full.Stat(ctx, key)
}

func (a *altered) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	if a.get != nil {
		return a.get(ctx, key, r)
	}
	return a.full.Get(ctx, key, r)
}

func (a *altered) Put(ctx context.Context, key string, src storage.Source) error {
	if a.putting != nil {
		return a.putting(ctx, key, src)
	}
	return a.full.Put(ctx, key, src)
}

func (a *altered) Delete(ctx context.Context, key string) error {
	if a.del != nil {
		return a.del(ctx, key)
	}
	return a.full.Delete(ctx, key)
}

func (a *altered) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	if a.listing != nil {
		return a.listing(ctx, prefix)
	}
	return a.full.List(ctx, prefix)
}

func (a *altered) Create(ctx context.Context, key string, src storage.Source) error {
	if a.create != nil {
		return a.create(ctx, key, src)
	}
	return a.full.Create(ctx, key, src)
}

func (a *altered) Copy(ctx context.Context, target, source string) error {
	if a.copying != nil {
		return a.copying(ctx, target, source)
	}
	return a.full.Copy(ctx, target, source)
}

func (a *altered) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	if a.page != nil {
		return a.page(ctx, r)
	}
	return a.full.Page(ctx, r)
}

func (a *altered) LocalPath(ctx context.Context, key string) (string, error) {
	if a.locate != nil {
		return a.locate(ctx, key)
	}
	return a.full.LocalPath(ctx, key)
}

func (a *altered) Sweep(ctx context.Context, age time.Duration) (int, error) {
	if a.sweep != nil {
		return a.sweep(ctx, age)
	}
	return a.full.Sweep(ctx, age)
}

// alter returns a whole backend that has been broken.
func alter(t *testing.T, how func(*altered)) storage.Backend {
	b := &altered{full: newFull(t)}
	how(b)
	return b
}

// slurp reads what a source has, and what went wrong then.
func slurp(src storage.Source) ([]byte, error) {
	in, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(in)
}

// changed has the infos that a backend tells changed.
func changed(how func(*storage.Info)) func(*altered) {
	return func(a *altered) {
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			info, err := a.full.Stat(ctx, key)
			how(&info)
			return info, err
		}
	}
}

// stored has Put store something else.
func stored(how func(a *altered, ctx context.Context, key string, content []byte, err error) error) func(*altered) {
	return func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			content, err := slurp(src)
			return how(a, ctx, key, content, err)
		}
	}
}

// listed has List yield something else.
func listed(how func(a *altered, prefix string, all []storage.Info) []storage.Info) func(*altered) {
	return func(a *altered) {
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				var all []storage.Info
				for info, err := range a.full.List(ctx, prefix) {
					if err != nil {
						yield(info, err)
						return
					}
					all = append(all, info)
				}
				for _, info := range how(a, prefix, all) {
					if !yield(info, nil) {
						return
					}
				}
			}
		}
	}
}

var errInternal = errors.New("something")

// lazily is a reader of whatever the object is at the time of each Read.
type lazily struct {
	a   *altered
	key string
	at  int64
}

func (l *lazily) Read(p []byte) (int, error) {
	in, err := l.a.full.Get(context.Background(), l.key, storage.Range{OffsetBytes: l.at, LengthBytes: int64(min(len(p), 1000))})
	if err != nil {
		return 0, io.EOF
	}
	n, err := io.ReadFull(in, p[:min(len(p), 1000)])
	l.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (l *lazily) Close() error { return nil }

type badlyClosed struct{ io.ReadCloser }

func (badlyClosed) Close() error { return errInternal }
