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

// listingBreakages break a sentence of List or Page each, or one of all methods: what keys
// are, and that calls end with their contexts.
var listingBreakages = map[string][]func(*altered){
	"ST-LIST-001": {
		listed(func(_ *altered, _ string, all []storage.Info) []storage.Info { return append(all, all...) }),
		listed(func(_ *altered, prefix string, all []storage.Info) []storage.Info {
			return slices.DeleteFunc(all, func(i storage.Info) bool { return strings.Contains(i.Key[len(prefix):], "/") })
		}),
	},
	"ST-LIST-002": {listed(func(_ *altered, _ string, all []storage.Info) []storage.Info {
		for i := range all {
			all[i].SizeBytes = 0
		}
		return all
	})},
	"ST-LIST-003": {listed(func(_ *altered, prefix string, all []storage.Info) []storage.Info {
		if prefix == "" {
			return nil
		}
		return all
	})},
	"ST-LIST-004": {func(a *altered) {
		a.listing = func(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
			return func(yield func(storage.Info, error) bool) {
				for info, err := range a.full.List(ctx, prefix) {
					yield(info, err)
				}
			}
		}
	}},
	"ST-LIST-005": {listed(func(_ *altered, _ string, all []storage.Info) []storage.Info { return all[:min(len(all), 1000)] })},
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
	"ST-KEY-001": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			return a.full.Put(ctx, strings.ToLower(key), src)
		}
	}, func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			return a.full.Put(ctx, strings.ReplaceAll(key, "%2F", "/"), src)
		}
	}},
	"ST-KEY-002": {func(a *altered) {
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if len(key) > 1000 {
				return fault.New(fault.Invalid, "that is too long")
			}
			return a.full.Put(ctx, key, src)
		}
	}},
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
	"ST-PAGE-001": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			page, err := a.full.Page(ctx, r)
			page.NextToken = ""
			return page, err
		}
	}},
	"ST-PAGE-002": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			r.Folders = false
			return a.full.Page(ctx, r)
		}
	}},
	"ST-PAGE-003": {func(a *altered) {
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			page, err := a.full.Page(ctx, r)
			if fault.KindOf(err) == fault.Invalid {
				r.Token = ""
				return a.full.Page(ctx, r)
			}
			return page, err
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
	"ST-CANCEL-001": {func(a *altered) {
		a.stat = func(_ context.Context, key string) (storage.Info, error) {
			return a.full.Stat(context.Background(), key)
		}
	}, func(a *altered) {
		a.del = func(_ context.Context, key string) error { return a.full.Delete(context.Background(), key) }
	}},
	"ST-CANCEL-002": {stored(func(a *altered, _ context.Context, key string, content []byte, err error) error {
		if errors.Is(err, context.Canceled) {
			err = errors.Join(err, a.full.Put(context.Background(), key, storage.Bytes(content)))
		}
		return err
	})},
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
}

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
