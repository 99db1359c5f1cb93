package storagetest

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// optionalBreakages break a sentence each of what a backend need not do.
var optionalBreakages = map[string][]func(*altered){
	"ST-CREATE-001": {func(a *altered) { a.create = a.full.Put }},
	"ST-CREATE-002": {func(a *altered) {
		a.create = func(ctx context.Context, key string, src storage.Source) error {
			if _, err := a.full.Stat(ctx, key); err == nil {
				return fault.New(fault.Conflict, "it is there")
			}
			time.Sleep(5 * time.Millisecond) // the others look as well
			return a.full.Put(ctx, key, src)
		}
	}},
	"ST-CREATE-003": {func(a *altered) {
		a.create = func(ctx context.Context, key string, src storage.Source) error {
			content, err := slurp(src)
			return errors.Join(err, a.full.Create(ctx, key, storage.Bytes(content)))
		}
	}},
	"ST-CREATE-004": {func(a *altered) {
		var was sync.Map
		a.create = func(ctx context.Context, key string, src storage.Source) error {
			if _, before := was.LoadOrStore(key, true); before {
				return fault.New(fault.Conflict, "it was there")
			}
			return a.full.Create(ctx, key, src)
		}
	}},
	"ST-CREATE-005": {func(a *altered) {
		var taken sync.Map
		a.create = func(ctx context.Context, key string, src storage.Source) error {
			if _, before := taken.LoadOrStore(key, true); before {
				return fault.New(fault.Conflict, "somebody creates it")
			}
			return a.full.Create(ctx, key, src) // and leaves it taken when it fails
		}
	}},
	"ST-COPY-001": {func(a *altered) {
		a.copying = func(ctx context.Context, target, source string) error {
			return errors.Join(a.full.Copy(ctx, target, source), a.full.Delete(ctx, source))
		}
	}},
	"ST-COPY-002": {func(a *altered) {
		a.copying = func(ctx context.Context, target, source string) error {
			err := a.full.Copy(ctx, target, source)
			if fault.KindOf(err) == fault.NotFound {
				return a.full.Delete(ctx, target)
			}
			return err
		}
	}},
	"ST-COPY-003": {func(a *altered) {
		links := map[string]string{}
		follow := func(key string) string {
			if to, ok := links[key]; ok {
				return to
			}
			return key
		}
		a.copying = func(ctx context.Context, target, source string) error {
			links[target] = source
			return a.full.Copy(ctx, target, source)
		}
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			return a.full.Get(ctx, follow(key), r)
		}
	}},
	"ST-COPY-004": {func(a *altered) {
		a.copying = func(ctx context.Context, target, source string) error {
			in, err := a.full.Get(ctx, source, storage.Range{LengthBytes: partBytes})
			if err != nil {
				return err
			}
			return a.full.Put(ctx, target, storage.Once(in, -1))
		}
	}},
	"ST-COPY-005": {func(a *altered) {
		a.copying = func(_ context.Context, target, source string) error {
			return a.full.Copy(context.Background(), target, source)
		}
	}},
	"ST-LOCATE-001": {func(a *altered) {
		a.locate = func(ctx context.Context, key string) (string, error) {
			path, err := a.full.LocalPath(ctx, key)
			return path, errors.Join(err, os.Truncate(path, 10))
		}
	}},
	"ST-LOCATE-002": {func(a *altered) {
		a.locate = func(context.Context, string) (string, error) { return "/nowhere", nil }
	}},
	"ST-LOCATE-003": {func(a *altered) {
		var first sync.Map
		a.locate = func(ctx context.Context, key string) (string, error) {
			path, err := a.full.LocalPath(ctx, key)
			have, _ := first.LoadOrStore(key, path)
			return have.(string), err
		}
	}},
	"ST-SWEEP-001": {func(a *altered) {
		a.sweep = func(ctx context.Context, _ time.Duration) (int, error) { return 1, a.full.Delete(ctx, key("a")) }
	}},
	"ST-SWEEP-002": {func(a *altered) {
		swept := make(chan struct{}, 1)
		a.sweep = func(context.Context, time.Duration) (int, error) {
			swept <- struct{}{}
			return 1, nil
		}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			content, err := slurp(src)
			select {
			case <-swept:
				return errInternal
			default:
				return errors.Join(err, a.full.Put(ctx, key, storage.Bytes(content)))
			}
		}
	}},
	"ST-SWEEP-003": {func(a *altered) {
		a.sweep = func(context.Context, time.Duration) (int, error) { return 1, nil }
	}},
	"ST-SWEEP-004": {func(a *altered) {
		var left atomic.Int64
		stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
			if err != nil {
				left.Add(1)
				return err
			}
			return a.full.Put(ctx, key, storage.Bytes(content))
		})(a)
		a.sweep = func(context.Context, time.Duration) (int, error) { return int(left.Swap(0)), nil }
	}},
	"ST-PRESIGN-001": {func(a *altered) { a.full.signer.ignoresRanges = true }, func(a *altered) { a.full.signer.wantsHeader = true }},
	"ST-PRESIGN-002": {func(a *altered) { a.full.signer.neverExpires = true }, func(a *altered) {
		a.presign = func(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
			signed, err := a.full.PresignGet(ctx, key, ttl)
			signed.ExpiresAt = time.Time{}
			return signed, err
		}
	}},
	"ST-PRESIGN-003": {func(a *altered) { a.full.signer.signsNothing = true }, func(a *altered) { a.full.signer.signsAnyKey = true }},
	"ST-PRESIGN-004": {func(a *altered) { a.full.signer.servesNothing = true }},
	"ST-ADDRESS-001": {
		func(a *altered) { a.address = func() string { return "bucket/prefix" } },
		func(a *altered) {
			var n atomic.Int64
			a.address = func() string { return "memory://" + strconv.FormatInt(n.Add(1), 10) + "/" }
		},
	},
	"ST-CHECK-001": {func(a *altered) { a.check = func(context.Context) error { return errInternal } }},
	"ST-CHECK-002": {func(a *altered) { a.check = func(context.Context) error { return nil } }},
	"ST-LIMITED-001": {func(a *altered) {
		var n atomic.Int64
		a.can = func() storage.Capabilities {
			if n.Add(1) > 4 {
				return 0
			}
			return storage.CanCopy
		}
	}},
}
