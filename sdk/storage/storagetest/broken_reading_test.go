package storagetest

import (
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// readingBreakages break a sentence of Stat or Get each, by the check that has to find it.
var readingBreakages = map[string][]func(*altered){
	"ST-STAT-001": {func(a *altered) {
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			info, err := a.full.Stat(ctx, key)
			if err != nil {
				err = errInternal
			}
			return info, err
		}
	}},
	"ST-STAT-002": {changed(func(i *storage.Info) { i.SizeBytes++ }), changed(func(i *storage.Info) { i.Key = "x" + i.Key })},
	"ST-STAT-003": {changed(func(i *storage.Info) { i.Version = "1" })},
	"ST-STAT-004": {changed(func(i *storage.Info) { i.ModifiedAt = time.Unix(1, 0) })},
	"ST-STAT-005": {func(a *altered) {
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			for info, err := range a.full.List(ctx, key) {
				return storage.Info{Key: key, SizeBytes: info.SizeBytes}, err
			}
			return a.full.Stat(ctx, key)
		}
	}},
	"ST-STAT-006": {changed(func(i *storage.Info) { i.SHA256 = strings.Repeat("0", 64) })},
	"ST-STAT-007": {func(a *altered) {
		var n atomic.Int64
		changed(func(i *storage.Info) { i.Version = strconv.FormatInt(n.Add(1), 10) })(a)
	}},
	"ST-GET-001": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			in, err := a.full.Get(ctx, key, r)
			if fault.KindOf(err) == fault.NotFound {
				return storage.Bytes(nil).Open()
			}
			return in, err
		}
	}},
	"ST-GET-002": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			return a.full.Get(ctx, key, storage.Range{OffsetBytes: r.OffsetBytes})
		}
	}, func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			info, err := a.full.Stat(ctx, key)
			if err == nil && r.LengthBytes > info.SizeBytes {
				return nil, fault.New(fault.Invalid, "that is too much")
			}
			return a.full.Get(ctx, key, r)
		}
	}},
	"ST-GET-003": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			in, err := a.full.Get(ctx, key, r)
			if fault.KindOf(err) == fault.Invalid {
				return storage.Bytes(nil).Open()
			}
			return in, err
		}
	}},
	"ST-GET-004": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			if info, err := a.full.Stat(ctx, key); err == nil && info.SizeBytes == 0 {
				return nil, fault.New(fault.Invalid, "nothing can't be read")
			}
			return a.full.Get(ctx, key, r)
		}
	}},
	"ST-GET-005": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			if _, err := a.full.Get(ctx, key, r); err != nil || r.LengthBytes > 0 {
				return a.full.Get(ctx, key, r)
			}
			return &lazily{a, key, r.OffsetBytes}, nil
		}
	}},
	"ST-GET-006": {func(a *altered) {
		var one sync.Mutex
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			if !one.TryLock() {
				return nil, errInternal
			}
			time.Sleep(5 * time.Millisecond) // as long as a real one takes
			one.Unlock()
			return a.full.Get(ctx, key, r)
		}
	}},
	"ST-GET-007": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			in, err := a.full.Get(ctx, key, r)
			return badlyClosed{in}, err
		}
	}, func(a *altered) {
		open := 0
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			if open++; open > 100 {
				return nil, errInternal
			}
			return a.full.Get(ctx, key, r)
		}
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
