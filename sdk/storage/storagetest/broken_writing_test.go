package storagetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// writingBreakages break a sentence of Put or Delete each.
var writingBreakages = map[string][]func(*altered){
	"ST-PUT-001": {stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil {
			return err
		}
		return a.full.Put(ctx, key, storage.Bytes(content[:min(len(content), 1<<20)]))
	})},
	"ST-PUT-002": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if src.SizeBytes() < 0 {
				return a.full.Put(ctx, key, storage.Bytes(nil))
			}
			return a.full.Put(ctx, key, src)
		}
	}},
	"ST-PUT-003": {func(a *altered) { a.putting = a.full.Create }},
	"ST-PUT-004": {stored(func(a *altered, ctx context.Context, key string, content []byte, _ error) error {
		return a.full.Put(ctx, key, storage.Bytes(content))
	}), stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil {
			return errInternal
		}
		return a.full.Put(ctx, key, storage.Bytes(content))
	})},
	"ST-PUT-005": {stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil {
			return errors.Join(err, a.full.Delete(ctx, key))
		}
		return a.full.Put(ctx, key, storage.Bytes(content))
	})},
	"ST-PUT-006": {stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil && !errors.Is(err, errSource) {
			err = nil
		}
		return errors.Join(err, a.full.Put(ctx, key, storage.Bytes(content)))
	})},
	"ST-PUT-007": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if err := a.full.Delete(ctx, key); err != nil {
				return err
			}
			return a.full.Put(ctx, key, src)
		}
	}},
	"ST-PUT-008": {func(a *altered) {
		var mu sync.Mutex
		var writing [][]byte
		several := make(chan struct{})
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			content, err := slurp(src)
			if err != nil {
				return err
			}
			mu.Lock()
			if writing = append(writing, content); len(writing) == 2 {
				close(several)
			}
			mu.Unlock()
			<-several // all writers write to one file
			mu.Lock()
			defer mu.Unlock()
			other := writing[0]
			if &other[0] == &content[0] {
				other = writing[1]
			}
			half := len(content) / 2
			return a.full.Put(ctx, key, storage.Bytes(slices.Concat(content[:half], other[half:])))
		}
	}},
	"ST-PUT-009": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if folder, _, ok := strings.Cut(strings.TrimPrefix(key, "st/"), "/"); ok {
				if err := a.full.Delete(ctx, "st/"+folder); err != nil {
					return err
				}
			}
			return a.full.Put(ctx, key, src)
		}
	}},
	"ST-PUT-010": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if _, err := slurp(src); err != nil {
				return err
			}
			content, _ := slurp(src)
			return a.full.Put(ctx, key, storage.Bytes(content))
		}
	}},
	"ST-PUT-011": {stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil {
			return err
		}
		return a.full.Put(ctx, key, storage.Bytes(content[:len(content)/partBytes*partBytes])) // the last part is forgotten
	})},
	"ST-PUT-012": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if src.SizeBytes() >= 0 {
				return a.full.Put(ctx, key, src)
			}
			content, err := slurp(src)
			if err != nil {
				return err
			}
			return a.full.Put(ctx, key, storage.Bytes(content[:min(len(content), partBytes)]))
		}
	}},
	"ST-PUT-013": {stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil && len(content) < partBytes {
			return err
		}
		return errors.Join(err, a.full.Put(ctx, key, storage.Bytes(content))) // the parts are made whole
	})},
	"ST-PUT-014": {stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
		if err != nil {
			return err
		}
		for part := 1; part <= 3; part++ {
			if err := a.full.Put(ctx, key, storage.Bytes(content[:len(content)*part/3])); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond) // so that readers have their turn
		}
		return nil
	})},
	"ST-PUT-015": {stored(func(a *altered, ctx context.Context, key string, content []byte, _ error) error {
		return a.full.Put(ctx, key, storage.Bytes(content))
	})},
	"ST-PUT-016": {func(a *altered) {
		var locked sync.Map
		stored(func(a *altered, ctx context.Context, key string, content []byte, err error) error {
			if _, is := locked.Load(key); is {
				return fault.New(fault.Conflict, "an upload of it goes on")
			}
			if err != nil {
				locked.Store(key, true) // and nobody takes that back
				return err
			}
			return a.full.Put(ctx, key, storage.Bytes(content))
		})(a)
	}},
	"ST-PUT-017": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			in, err := src.Open()
			if err != nil {
				return err
			}
			var content []byte
			for buffer := make([]byte, 4096); ; {
				n, err := in.Read(buffer)
				if err == io.EOF { // and what came with it
					return a.full.Put(ctx, key, storage.Bytes(content))
				}
				if err != nil {
					return err
				}
				content = append(content, buffer[:n]...)
			}
		}
	}, func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			in, err := src.Open()
			if err != nil {
				return err
			}
			var content []byte
			for buffer := make([]byte, 4096); ; {
				n, err := in.Read(buffer)
				content = append(content, buffer[:n]...)
				if n == 0 || err == io.EOF {
					return a.full.Put(ctx, key, storage.Bytes(content))
				}
				if err != nil {
					return err
				}
			}
		}
	}},
	"ST-PUT-018": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			err := a.full.Put(ctx, key, src)
			gone := make(chan struct{})
			context.AfterFunc(ctx, func() {
				_ = a.full.Delete(context.Background(), key)
				close(gone)
			})
			a.stat = func(ctx context.Context, key string) (storage.Info, error) {
				<-gone
				return a.full.Stat(ctx, key)
			}
			return err
		}
	}},
	"ST-PUT-019": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if err := a.full.Put(ctx, ".uploads/"+key, storage.Bytes(nil)); err != nil {
				return err
			}
			err := a.full.Put(ctx, key, src)
			return errors.Join(err, a.full.Delete(context.WithoutCancel(ctx), ".uploads/"+key))
		}
	}},
	"ST-DELETE-001": {func(a *altered) { a.del = func(context.Context, string) error { return nil } }},
	"ST-DELETE-002": {func(a *altered) {
		a.del = func(ctx context.Context, key string) error {
			if _, err := a.full.Stat(ctx, key); err != nil {
				return err
			}
			return a.full.Delete(ctx, key)
		}
	}},
	"ST-DELETE-003": {func(a *altered) {
		a.del = func(ctx context.Context, key string) error {
			for info, err := range a.full.List(ctx, key) {
				if err := errors.Join(err, a.full.Delete(ctx, info.Key)); err != nil {
					return err
				}
			}
			return nil
		}
	}},
	"ST-DELETE-004": {func(a *altered) {
		a.del = func(ctx context.Context, key string) error { // the folders stay, as files that can't be replaced
			folder, _, _ := strings.Cut(strings.TrimPrefix(key, "st/"), "/")
			a.putting = func(ctx context.Context, key string, src storage.Source) error {
				if key == "st/"+folder {
					return fault.New(fault.Conflict, "is a directory")
				}
				return a.full.Put(ctx, key, src)
			}
			return a.full.Delete(ctx, key)
		}
	}},
	"ST-DELETE-005": {func(a *altered) {
		a.del = func(ctx context.Context, key string) error {
			if _, err := a.full.Stat(ctx, key); fault.KindOf(err) == fault.NotFound {
				return nil
			}
			time.Sleep(5 * time.Millisecond) // the others look as well
			if _, err := a.full.Stat(ctx, key); err != nil {
				return err
			}
			return a.full.Delete(ctx, key)
		}
	}},
}
