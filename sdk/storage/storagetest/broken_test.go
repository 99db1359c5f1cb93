package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// breakages are backends that break one sentence each, by the check that has to
// find it.
var breakages = map[string][]func(*altered){
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
	"ST-LOCATE-001": {func(a *altered) {
		a.locate = func(ctx context.Context, key string) (string, error) {
			path, err := a.full.LocalPath(ctx, key)
			return path, errors.Join(err, os.Truncate(path, 10))
		}
	}},
	"ST-LOCATE-002": {func(a *altered) {
		a.locate = func(context.Context, string) (string, error) { return "/nowhere", nil }
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
}

func TestAWholeBackendPasses(t *testing.T) {
	Run(t, func(t *testing.T) storage.Backend { return alter(t, func(*altered) {}) })
}

// TestEveryBreakageIsFound also wants a breakage for each check: one that never
// fails says nothing.
func TestEveryBreakageIsFound(t *testing.T) {
	for _, c := range Checks() {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			all := slices.Concat(breakages[c.ID], furtherBreakages[c.ID])
			if len(all) == 0 {
				t.Fatal("nothing shows that this check can fail")
			}
			for i, broken := range all {
				r := c.Try(t.Context(), alter(t, broken))
				if want := map[bool]Verdict{true: Failed, false: DeclaredButBroken}[c.Needs == 0]; r.Verdict != want {
					t.Errorf("breakage %d: %s", i, r.Verdict)
				}
				for _, f := range r.Faults {
					t.Log(f)
				}
			}
		})
	}
}

func TestIDsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.ID] || c.Sentence == "" {
			t.Errorf("%q, %q", c.ID, c.Sentence)
		}
		seen[c.ID] = true
	}
}

// onlyBackend hides all that is beyond the five methods.
type onlyBackend struct{ storage.Backend }

// modest is a backend that can do more than it says.
type modest struct{ full }

func (modest) Capabilities() storage.Capabilities { return 0 }

func TestWhatWorksAndIsNotDeclaredIsTold(t *testing.T) {
	for _, c := range Checks() {
		if c.Needs == 0 {
			continue
		}
		if r := c.Try(t.Context(), modest{newFull(t)}); r.Verdict != WorksButUndeclared {
			t.Errorf("%s: %+v", c.ID, r)
		}
	}
}

func TestWhatIsNotDeclaredIsNotChecked(t *testing.T) {
	for _, c := range Checks() {
		if c.Needs == 0 {
			continue
		}
		if r := c.Try(t.Context(), onlyBackend{memory.New(1000)}); r.Verdict != NotDeclared {
			t.Errorf("%s: %+v", c.ID, r)
		}
	}
}

// panics is a backend that panics, and hangs one that pays no heed to anything.
type panics struct{ storage.Backend }

func (panics) Stat(context.Context, string) (storage.Info, error) { panic("oh") }

func TestAPanicIsAFailure(t *testing.T) {
	r := Checks()[0].Try(t.Context(), panics{memory.New(1000)})
	if r.Verdict != Failed || !strings.Contains(strings.Join(r.Faults, ""), "oh") {
		t.Errorf("%+v", r)
	}
}

type hangs struct {
	storage.Backend
	until chan struct{}
}

func (h hangs) Stat(context.Context, string) (storage.Info, error) {
	<-h.until
	return storage.Info{}, errInternal
}

func TestAHangIsAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	until := make(chan struct{})
	r := Checks()[0].Try(ctx, hangs{memory.New(1000), until})
	close(until)
	if r.Verdict != Failed || !r.Unanswered || !strings.Contains(strings.Join(r.Faults, ""), "hangs") {
		t.Errorf("%+v", r)
	}
}

func TestPatternsDiffer(t *testing.T) {
	if bytes.Equal(pattern(100, 1), pattern(100, 2)) || bytes.Equal(pattern(100, 1)[:50], pattern(100, 1)[50:]) {
		t.Error("they don't")
	}
}
