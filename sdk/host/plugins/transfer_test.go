package plugins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// breaking reads an object whose process ends at an offset of it.
type breaking struct {
	io.ReadCloser
	process *fakeProcess
	left    int
	stall   func(ctx context.Context) // instead of ending
	ctx     context.Context
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.stall != nil {
			b.stall(b.ctx)
			return 0, context.Cause(b.ctx)
		}
		b.process.end("signal: killed")
		return 0, fault.New(fault.Unavailable, "the plugin is away").On(fault.Plugin)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// fakeReads are how the reads of a test break, one after the other.
type fakeReads struct {
	at    []int
	stall func(ctx context.Context)
}

func (b fakeBackend) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	if err := b.before(ctx, "get", key); err != nil {
		return nil, err
	}
	in, err := b.Backend.Get(ctx, key, r)
	reads := &b.process.world.reads
	if err != nil || len(reads.at) == 0 {
		return in, err
	}
	at := reads.at[0]
	reads.at = reads.at[1:]
	return &breaking{in, b.process, at, reads.stall, ctx}, nil
}

func TestReadsGoOnInTheNextProcess(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 100)
	for name, c := range map[string]struct {
		breaks  []int
		at      storage.Range
		replace bool
		want    fault.Kind
	}{
		"whole":                     {nil, storage.Range{}, false, fault.None},
		"at its beginning":          {[]int{0}, storage.Range{}, false, fault.None},
		"three times":               {[]int{1, 500, 0}, storage.Range{}, false, fault.None},
		"at its end":                {[]int{len(content)}, storage.Range{}, false, fault.None},
		"four times":                {[]int{1, 1, 1, 1}, storage.Range{}, false, fault.Unavailable},
		"a part":                    {[]int{100}, storage.Range{OffsetBytes: 50, LengthBytes: 2 << 20}, false, fault.None},
		"a part, at its end":        {[]int{950}, storage.Range{OffsetBytes: 50, LengthBytes: 2 << 20}, false, fault.None},
		"a short part, at its end":  {[]int{10}, storage.Range{OffsetBytes: 50, LengthBytes: 10}, false, fault.None},
		"a short part":              {[]int{1}, storage.Range{OffsetBytes: 50, LengthBytes: 10}, false, fault.Unavailable},
		"a short one, not begun":    {[]int{0}, storage.Range{OffsetBytes: 50, LengthBytes: 10}, false, fault.None},
		"of an object that changed": {[]int{100}, storage.Range{}, true, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
				f.config.MaxExits, f.config.times.maxBackoff = 100, time.Second
				f.trustFake("a", "1.0.0")
				f.run()
				i := f.storage("a", nil)
				if err := i.Put(t.Context(), "k", storage.Bytes(content)); err != nil {
					t.Fatal(err)
				}
				w.reads.at = c.breaks
				in, err := i.Get(t.Context(), "k", c.at)
				if err != nil {
					t.Fatal(err)
				}
				if c.replace {
					if err := w.objects.Put(t.Context(), "k", storage.Bytes(bytes.Repeat([]byte("other"), 200))); err != nil {
						t.Fatal(err)
					}
				}
				got, err := io.ReadAll(in)
				offset, length, _ := c.at.Of(int64(len(content)))
				want := content[offset : offset+length]
				if fault.KindOf(err) != c.want || err == nil && !bytes.Equal(got, want) || !bytes.HasPrefix(want, got) {
					t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
				}
				if err != nil && fault.SideOf(err) != fault.Plugin {
					t.Errorf("it is on %s", fault.SideOf(err))
				}
				if err := in.Close(); err != nil {
					t.Error(err)
				}
				if s := i.Status(); s.Transfers != 0 {
					t.Errorf("%d transfers are left", s.Transfers)
				}
			})
		})
	}
}

func TestOnlyThePluginIsWaitedForNotTheReader(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i := f.storage("a", nil)
		if err := i.Put(t.Context(), "k", storage.Bytes(make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
		w.reads = fakeReads{at: []int{50}, stall: func(ctx context.Context) { <-ctx.Done() }}
		in, err := i.Get(t.Context(), "k", storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 10)
		for range 5 {
			time.Sleep(time.Hour)
			if _, err := io.ReadFull(in, buffer); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, err := in.Read(buffer); fault.KindOf(err) != fault.Timeout || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		in.Close()
		slow, sent := io.Pipe()
		go func() {
			for range 3 {
				time.Sleep(time.Hour)
				sent.Write([]byte("x"))
			}
			sent.Close()
		}()
		if err := i.Put(t.Context(), "slow", storage.Once(slow, 3)); err != nil {
			t.Error(err)
		}
	})
}

// tells is what a plugin tells of a file that it has, after a while each time.
func tells(ctx context.Context, in storagerpc.Watcher, pause time.Duration, took ...int64) error {
	for _, bytes := range took {
		select {
		case <-time.After(pause):
			in.Took(bytes)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func TestAPluginThatHasTheFileIsWaitedForWhileItReads(t *testing.T) {
	const size = 100
	for name, c := range map[string]struct {
		take func(ctx context.Context, in storagerpc.Watcher) error
		want fault.Kind
		took time.Duration
		sent int64
	}{
		"slowly": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Committed()
			return tells(ctx, in, 50*time.Second, 10, 20, 30, size)
		}, fault.None, 200 * time.Second, size},
		"again": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Committed()
			return tells(ctx, in, time.Second, 60, 120, 180)
		}, fault.None, 3 * time.Second, size},
		"not": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Committed()
			return tells(ctx, in, time.Hour, size)
		}, fault.Timeout, time.Minute, 0},
		"not further": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Committed()
			return tells(ctx, in, 50*time.Second, 10, 10, 10)
		}, fault.Timeout, 110 * time.Second, 10},
		"and then ends slowly": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Committed()
			in.Took(size)
			return tells(ctx, in, 4*time.Minute, size)
		}, fault.None, 4 * time.Minute, size},
		"and then does not end": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Committed()
			in.Took(size)
			return tells(ctx, in, time.Hour, size)
		}, fault.Timeout, 5 * time.Minute, size},
		"and waits for our sha256": {func(ctx context.Context, in storagerpc.Watcher) error {
			in.Took(size)
			err := tells(ctx, in, time.Hour, size)
			in.Committed()
			return errors.Join(err, tells(ctx, in, time.Minute, size))
		}, fault.None, time.Hour + time.Minute, size},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
				path := filepath.Join(f.dir, "file")
				if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
					t.Fatal(err)
				}
				src, err := storage.File(path)
				if err != nil {
					t.Fatal(err)
				}
				w.take = c.take
				f.trustFake("a", "1.0.0")
				f.run()
				i := f.storage("a", nil)
				if err := i.Opened(t.Context()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if err := i.Put(t.Context(), "k", src); fault.KindOf(err) != c.want {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("after %v, want %v", took, c.took)
				}
				if m := f.status("a").Metrics; m.BytesSent != c.sent {
					t.Errorf("%d bytes are counted, want %d", m.BytesSent, c.sent)
				}
			})
		})
	}
}

func TestUpgradesDisturbNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i := f.storage("a", nil)
		if err := i.Put(t.Context(), "k", storage.Bytes(make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
		in, err := i.Get(t.Context(), "k", storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		old := w.latest()
		f.trustFake("a", "2.0.0")
		if err := f.Rescan(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := f.status("a"); s.Version != "2.0.0" || s.Previous != "1.0.0" || s.State != Ready || w.latest() == old {
			t.Fatalf("%+v", s)
		}
		if old.gone() {
			t.Fatal("the old process has ended under a read")
		}
		time.Sleep(10 * time.Second)
		if _, err := io.ReadAll(in); err != nil {
			t.Error(err)
		}
		in.Close()
		synctest.Wait()
		if !old.gone() || len(old.heard) != 2 || old.heard[0] != "drain" || old.heard[1] != "stop" {
			t.Errorf("it was told to %q", old.heard)
		}
		objects, err := storage.ListPage(t.Context(), i, storage.PageRequest{Limit: 10})
		if err != nil || len(objects.Objects) != 1 {
			t.Errorf("a canary is left: %+v, %v", objects, err)
		}
	})
}

func TestAnOldProcessIsNotWaitedForForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i := f.storage("a", nil)
		if err := i.Put(t.Context(), "k", storage.Bytes(make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
		in, err := i.Get(t.Context(), "k", storage.Range{LengthBytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		old := w.latest()
		f.trustFake("a", "2.0.0")
		if err := f.Rescan(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		if !old.gone() {
			t.Error("it is still there")
		}
	})
}

func TestAVersionThatDoesNotWorkIsNotTaken(t *testing.T) {
	for name, prepare := range map[string]func(p *fakeProcess) error{
		"it does not start":    func(*fakeProcess) error { return fault.New(fault.Unavailable, "no").On(fault.Plugin) },
		"it does not open":     func(p *fakeProcess) error { p.openErr = fault.New(fault.Invalid, "no"); return nil },
		"it is something else": func(p *fakeProcess) error { p.name = "b"; return nil },
		"it loses objects":     func(p *fakeProcess) error { p.loses = true; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
				f.trustFake("a", "1.0.0")
				f.run()
				i := f.storage("a", nil)
				if err := i.Opened(t.Context()); err != nil {
					t.Fatal(err)
				}
				old := w.latest()
				w.mu.Lock()
				w.prepare = prepare
				w.mu.Unlock()
				f.trustFake("a", "2.0.0")
				for range 2 {
					if err := f.Rescan(); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				if s := f.status("a"); s.State != Degraded || s.Version != "1.0.0" || s.Reason == "" || s.Side == fault.Ours || w.count() != 2 {
					t.Errorf("%d processes, %+v", w.count(), s)
				}
				if _, err := i.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound || old.gone() {
					t.Errorf("%v", err)
				}
				if name != "it does not start" && !w.latest().gone() {
					t.Error("the new process is left")
				}
			})
		})
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestTransfersAllocateNothing(t *testing.T) {
	ctx, idle := newIdle(t.Context(), time.Minute)
	defer idle.end()
	m := newMeter()
	d := &download{instance: &Instance{&instance{unit: &unit{meter: m}}}, ctx: ctx, idle: idle, left: 1 << 60, in: io.NopCloser(zeros{})}
	s := &sent{ReadCloser: io.NopCloser(zeros{}), of: &sends{idle: idle, meter: m}}
	buffer := make([]byte, 64<<10)
	for name, in := range map[string]io.Reader{"reading": d, "sending": s} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := in.Read(buffer); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// BenchmarkStat is what supervision adds to a call.
func BenchmarkStat(b *testing.B) {
	w := &fakeWorld{objects: memory.New(1 << 20)}
	u := newUnit(Config{times: defaultTimes(), Changed: func() {}, Log: hclog.NewNullLogger(), MaxExits: 5}, Storage("a"), newTasks())
	p := &fakeProcess{world: w, exited: make(chan struct{})}
	g := &generation{process: p, program: &program{}}
	i := &Instance{&instance{unit: u, kind: storageKind{}, transfers: make(chan struct{}, MaxTransfers), closing: make(chan struct{})}}
	u.install(g, map[*instance]backend{i.instance: fakeBackend{w.objects, p}})
	if err := w.objects.Put(b.Context(), "k", storage.Bytes(nil)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Stat(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}
