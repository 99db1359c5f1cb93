package storagetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// published is a backend that can only be read, but where it is broken.
type published struct{ *altered }

// OnlyReads implements [storage.OnlyReader].
func (published) OnlyReads() {}

const readOnlyCan = storage.OnlyReads | storage.CanPresign | storage.CanCheck | storage.CanAddress

// knownObjects are what such a backend has.
func knownObjects() Known {
	return Known{"m/a.gguf": pattern(300_000, 1), "m/b/config.json": pattern(1000, 2), "m/empty": nil}
}

// publish returns a backend with the known objects that has been broken.
func publish(t *testing.T, how func(*altered)) storage.Backend {
	a := &altered{full: newFull(t)}
	for name, content := range knownObjects() {
		if err := a.full.Put(t.Context(), name, storage.Bytes(content)); err != nil {
			t.Fatal(err)
		}
	}
	a.can = func() storage.Capabilities { return readOnlyCan }
	a.putting = storage.ReadOnly{}.Put
	a.del = storage.ReadOnly{}.Delete
	how(a)
	return published{a}
}

func TestAWholeBackendThatCanOnlyBeReadPasses(t *testing.T) {
	RunKnown(t, knownObjects(), func(t *testing.T) storage.Backend { return publish(t, func(*altered) {}) })
}

// One that lists nothing is as whole.
func TestABackendThatCanNotListPasses(t *testing.T) {
	RunKnown(t, knownObjects(), func(t *testing.T) storage.Backend {
		return publish(t, func(a *altered) {
			a.listing = func(context.Context, string) iter.Seq2[storage.Info, error] {
				return func(yield func(storage.Info, error) bool) {
					yield(storage.Info{}, fault.New(fault.NotImplemented, "nobody says what there is"))
				}
			}
			a.page = func(context.Context, storage.PageRequest) (storage.Page, error) {
				return storage.Page{}, fault.New(fault.NotImplemented, "nobody says what there is")
			}
		})
	})
}

func TestEveryBreakageOfReadingIsFound(t *testing.T) {
	for _, c := range Checks() {
		if c.Needs&storage.OnlyReads == 0 {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			all := readOnlyBreakages[c.ID]
			if len(all) == 0 {
				t.Fatal("nothing shows that this check can fail")
			}
			for i, broken := range all {
				if r := c.TryKnown(t.Context(), publish(t, broken), knownObjects()); r.Verdict != DeclaredButBroken {
					t.Errorf("breakage %d: %s", i, r.Verdict)
				}
			}
			if r := c.TryKnown(t.Context(), publish(t, func(*altered) {}), nil); r.Verdict != DeclaredButBroken {
				t.Errorf("without any known object: %s", r.Verdict)
			}
		})
	}
}

func TestWhatPutsSaysNothingOfWhatIsOnlyRead(t *testing.T) {
	b, known := publish(t, func(*altered) {}), knownObjects()
	for _, c := range Checks() {
		want := NotDeclared
		if c.reads {
			want = Passed
		}
		if r := c.TryKnown(t.Context(), b, known); r.Verdict != want {
			t.Errorf("%s: %s, want %s %q", c.ID, r.Verdict, want, r.Faults)
		}
	}
}

// readOnlyBreakages break a sentence each of what can only be read.
var readOnlyBreakages = map[string][]func(*altered){
	"ST-READ-001": {
		func(a *altered) { a.putting = a.full.Put },
		func(a *altered) {
			a.putting = func(context.Context, string, storage.Source) error { return nil }
		},
		func(a *altered) {
			a.putting = func(ctx context.Context, key string, src storage.Source) error {
				return errors.Join(storage.ReadOnly{}.Put(ctx, key, src), a.full.Put(ctx, key, src))
			}
		},
	},
	"ST-READ-002": {
		func(a *altered) { a.del = a.full.Delete },
		func(a *altered) { a.del = func(context.Context, string) error { return nil } },
	},
	"ST-READ-003": {func(a *altered) {
		a.can = func() storage.Capabilities { return readOnlyCan | storage.CanCopy }
	}},
	"ST-READ-004": {
		changed(func(i *storage.Info) { i.SizeBytes++ }),
		changed(func(i *storage.Info) { i.Key = "x" + i.Key }),
		changed(func(i *storage.Info) { i.SHA256 = strings.Repeat("0", 64) }),
	},
	"ST-READ-005": {func(a *altered) {
		var n atomic.Int64
		changed(func(i *storage.Info) { i.Version = strconv.FormatInt(n.Add(1), 10) })(a)
	}},
	"ST-READ-006": {func(a *altered) {
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			for info, err := range a.full.List(ctx, key) {
				return storage.Info{Key: key, SizeBytes: info.SizeBytes}, err
			}
			return a.full.Stat(ctx, key)
		}
	}, func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			in, err := a.full.Get(ctx, key, r)
			if fault.KindOf(err) == fault.NotFound {
				return storage.Bytes([]byte("<html>")).Open()
			}
			return in, err
		}
	}},
	"ST-READ-007": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			return a.full.Get(ctx, key, storage.Range{LengthBytes: r.LengthBytes})
		}
	}},
	"ST-READ-008": {func(a *altered) {
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			in, err := a.full.Get(ctx, key, r)
			if fault.KindOf(err) == fault.Invalid {
				return storage.Bytes(nil).Open()
			}
			return in, err
		}
	}},
	"ST-READ-009": {readingBreakages["ST-GET-006"][0]},
	"ST-READ-010": {
		readingBreakages["ST-GET-007"][0],
		readingBreakages["ST-GET-007"][1],
		readingBreakages["ST-GET-010"][0],
	},
	"ST-READ-011": {func(a *altered) {
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			return a.full.Stat(context.WithoutCancel(ctx), key)
		}
	}, func(a *altered) {
		a.del = func(context.Context, string) error {
			return fault.New(fault.NotImplemented, "it can only be read")
		}
	}},
	"ST-READ-012": {
		listed(func(_ *altered, _ string, all []storage.Info) []storage.Info { return all[:len(all)/2] }),
		listed(func(_ *altered, _ string, all []storage.Info) []storage.Info { return append(all, all...) }),
		listed(func(_ *altered, _ string, all []storage.Info) []storage.Info {
			for i := range all {
				all[i].SizeBytes = 0
			}
			return all
		}),
		listed(func(a *altered, _ string, _ []storage.Info) []storage.Info { return a.infos(context.Background(), "") }),
	},
	"ST-READ-013": {func(a *altered) {
		a.can = func() storage.Capabilities { return readOnlyCan | storage.CanPage }
		a.page = func(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
			page, err := a.full.Page(ctx, r)
			page.NextToken = ""
			return page, err
		}
	}},
	"ST-READ-014": {
		func(a *altered) { a.full.signer.ignoresRanges = true },
		func(a *altered) { a.full.signer.wantsHeader = true },
		func(a *altered) {
			a.presign = func(context.Context, string, time.Duration) (storage.Presigned, error) {
				return storage.Presigned{}, fault.New(fault.Unavailable, "there is none")
			}
		},
	},
}
