package storagetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// furtherBreakages are more of them, for what is read, sent in parts, listed, named
// and paged.
var furtherBreakages = map[string][]func(*altered){
	"ST-STAT-006": {changed(func(i *storage.Info) { i.SHA256 = strings.Repeat("0", 64) })},
	"ST-STAT-007": {func(a *altered) {
		var n atomic.Int64
		changed(func(i *storage.Info) { i.Version = strconv.FormatInt(n.Add(1), 10) })(a)
	}},
	"ST-GET-008": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			if _, err := a.full.Get(ctx, key, r); err != nil {
				return nil, err
			}
			return &lazily{a, key, r.OffsetBytes}, nil
		}
	}},
	"ST-GET-009": {read(func(_ context.Context, in io.Reader, p []byte) (int, error) {
		n, err := in.Read(make([]byte, 4096)) // what does not fit is lost
		return min(n, len(p)), err
	})},
	"ST-GET-010": {read(func(ctx context.Context, in io.Reader, p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, io.EOF
		}
		return in.Read(p)
	})},
	"ST-GET-011": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			if info, err := a.full.Stat(ctx, key); err == nil && info.SizeBytes == 0 && r.LengthBytes > 0 {
				return nil, fault.New(fault.Invalid, "416 range not satisfiable")
			}
			return a.full.Get(ctx, key, r)
		}
	}},
	"ST-GET-012": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			return a.full.Get(ctx, key, storage.Range{OffsetBytes: max(0, r.OffsetBytes), LengthBytes: max(0, r.LengthBytes)})
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
	"ST-LIST-006": {func(a *altered) {
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			before, _, wild := strings.Cut(prefix, "%")
			if !wild {
				return a.full.List(ctx, prefix)
			}
			return a.full.List(ctx, before)
		}
	}, func(a *altered) {
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				for info, err := range a.full.List(ctx, "") {
					if (err != nil || strings.HasPrefix(strings.ToLower(info.Key), strings.ToLower(prefix))) && !yield(info, err) {
						return
					}
				}
			}
		}
	}},
	"ST-LIST-007": {func(a *altered) {
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				for at := 0; ; at++ { // by its place, which moves
					all := a.infos(ctx, prefix)
					if at >= len(all) || !yield(all[at], nil) {
						return
					}
				}
			}
		}
	}},
	"ST-LIST-008": {func(a *altered) {
		var mu sync.Mutex
		var rest []storage.Info // one cursor for all
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				mu.Lock()
				rest = a.infos(ctx, prefix)
				mu.Unlock()
				for {
					mu.Lock()
					if len(rest) == 0 {
						mu.Unlock()
						return
					}
					next := rest[0]
					rest = rest[1:]
					mu.Unlock()
					time.Sleep(100 * time.Microsecond) // as long as a real one takes
					if !yield(next, nil) {
						return
					}
				}
			}
		}
	}},
	"ST-LIST-009": {func(a *altered) {
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				for _, info := range a.infos(context.WithoutCancel(ctx), prefix) {
					if ctx.Err() != nil || !yield(info, nil) {
						return
					}
				}
			}
		}
	}},
	"ST-LIST-010": {listed(func(_ *altered, _ string, all []storage.Info) []storage.Info {
		for i := range all {
			all[i].ModifiedAt = time.Unix(1, 0)
		}
		return all
	})},
	"ST-KEY-003": {renamed(func(key string) string { return key[:min(len(key), 250)] })},
	"ST-KEY-004": {listed(func(_ *altered, _ string, all []storage.Info) []storage.Info {
		return slices.DeleteFunc(all, func(i storage.Info) bool { return strings.HasSuffix(i.Key, ".tmp") })
	}), func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if strings.Contains(key, storage.Reserved) {
				return fault.New(fault.Invalid, "that is reserved")
			}
			return a.full.Put(ctx, key, src)
		}
	}},
	"ST-CANCEL-003": {func(a *altered) {
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			if ctx.Err() != nil {
				return storage.Info{}, context.Canceled
			}
			return a.full.Stat(ctx, key)
		}
	}},
	"ST-CANCEL-004": {func(a *altered) {
		var broken atomic.Bool
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			err := a.full.Put(ctx, key, src)
			if errors.Is(err, context.Canceled) {
				broken.Store(true) // the connection that all use
			} else if broken.Load() {
				return errors.Join(errInternal, a.full.Delete(ctx, key))
			}
			return err
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
	"ST-PAGE-004": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			r.Limit = max(r.Limit, 10)
			return a.full.Page(ctx, r)
		}
	}},
	"ST-PAGE-005": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			if at := strings.LastIndexByte(r.Prefix, '/'); r.Folders && at+1 < len(r.Prefix) {
				r.Prefix = r.Prefix[:at+1] // of the folder that it is in
			}
			return a.full.Page(ctx, r)
		}
	}},
	"ST-PAGE-006": {func(a *altered) {
		const padding = 8 << 10
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			r.Token = strings.TrimRight(r.Token, "=")
			page, err := a.full.Page(ctx, r)
			if page.NextToken != "" {
				page.NextToken += strings.Repeat("=", padding)
			}
			return page, err
		}
	}},
	"ST-PAGE-007": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (page storage.Page, err error) {
			at, _ := strconv.Atoi(r.Token) // how many were told
			all := a.infos(ctx, r.Prefix)
			end := min(at+r.Limit, len(all))
			page.Objects = all[min(at, len(all)):end]
			if end < len(all) {
				page.NextToken = strconv.Itoa(end)
			}
			return page, nil
		}
	}},
	"ST-PAGE-008": {func(a *altered) {
		var used sync.Map
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			if _, before := used.LoadOrStore(r.Token, true); before && r.Token != "" {
				return storage.Page{}, fault.New(fault.Invalid, "the token was used")
			}
			return a.full.Page(ctx, r)
		}
	}},
	"ST-PAGE-009": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			r.Token = strings.ReplaceAll(r.Token, "%2F", "/") // as of an address that was unescaped
			r.Token = strings.ReplaceAll(r.Token, "+", " ")
			return a.full.Page(ctx, r)
		}
	}},
	"ST-PAGE-010": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			page, err := a.full.Page(ctx, r)
			if len(page.Objects)+len(page.Folders) == 0 && err == nil {
				return page, fault.New(fault.NotFound, "there is no folder %q", r.Prefix)
			}
			return page, err
		}
	}},
	"ST-LOCATE-003": {func(a *altered) {
		var first sync.Map
		a.locate = func(ctx context.Context, key string) (string, error) {
			path, err := a.full.LocalPath(ctx, key)
			have, _ := first.LoadOrStore(key, path)
			return have.(string), err
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

// read has readers read in another way.
func read(how func(ctx context.Context, in io.Reader, p []byte) (int, error)) func(*altered) {
	return func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			in, err := a.full.Get(ctx, key, r)
			if err != nil {
				return nil, err
			}
			return readAs{in, func(p []byte) (int, error) { return how(ctx, in, p) }}, nil
		}
	}
}

type readAs struct {
	io.Closer
	read func([]byte) (int, error)
}

func (r readAs) Read(p []byte) (int, error) { return r.read(p) }

// renamed has objects be kept under other keys.
func renamed(how func(key string) string) func(*altered) {
	return func(a *altered) {
		names := map[string]string{}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			names[how(key)] = key
			return a.full.Put(ctx, how(key), src)
		}
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			info, err := a.full.Stat(ctx, how(key))
			info.Key = key
			return info, err
		}
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			return a.full.Get(ctx, how(key), r)
		}
		a.listing = func(context.Context, string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				for name := range maps.Values(names) {
					if !yield(storage.Info{Key: name}, nil) {
						return
					}
				}
			}
		}
	}
}
