package plugins

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/storage"
)

func TestAnInstancesGoingAndComingBackIsSeenWithinTenSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		for _, silent := range []bool{false, true} {
			away := make(chan struct{})
			var back chan struct{}
			w.call = func(ctx context.Context, _ *fakeProcess, _, _ string) error {
				select {
				case <-away:
				default:
					return nil
				}
				select {
				case <-back:
					return nil
				default:
				}
				if silent {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				return fault.New(fault.Unavailable, "nobody is there").On(fault.Service)
			}
			back = make(chan struct{})
			f.trustFake("a", "1.0.0")
			f.Manager = New(Config{Dirs: []string{f.dir}, RunDir: f.dir, start: w.start})
			f.run()
			i := f.storage("a", nil)
			if err := i.Opened(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5*time.Second + 300*time.Millisecond)
			close(away)
			time.Sleep(10 * time.Second)
			if s := i.Status(); s.State != Degraded || s.Side != fault.Service || s.Reason == "" {
				t.Errorf("silent %v, away for 10 s: %+v", silent, s)
			}
			close(back)
			time.Sleep(10 * time.Second)
			if s := i.Status(); s.State != Ready || s.Reason != "" {
				t.Errorf("silent %v, back for 10 s: %+v", silent, s)
			}
			f.stop()
		}
	})
}

func TestAPluginThatStandsStillIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i := f.storage("a", nil)
		if err := i.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := w.latest()
		first.mu.Lock()
		first.stuck, first.deaf = true, true
		first.mu.Unlock()
		if err := i.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(first.heard, []string{"quit", "kill", "stop"}) {
			t.Errorf("it was told to %q", first.heard)
		}
		if w.count() != 2 {
			t.Errorf("%d processes", w.count())
		}
		if s := f.status("a"); s.State != Ready || s.LastExit == nil || s.LastExit.How != "signal: killed" || s.Restarts != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A process that moves bytes is not stuck, whatever it answers.
func TestAPluginThatMovesBytesIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i := f.storage("a", nil)
		if err := i.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := w.latest()
		p.mu.Lock()
		p.stuck = true
		p.mu.Unlock()
		for range 60 {
			time.Sleep(time.Second)
			i.unit.meter.received.Add(1)
		}
		if len(p.heard) > 0 {
			t.Errorf("it was told to %q", p.heard)
		}
	})
}

func TestAPluginThatEndsAgainAndAgainIsFailedAndTriedForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		var works atomic.Bool
		w.prepare = func(*fakeProcess) error {
			if works.Load() {
				return nil
			}
			return fault.New(fault.Unavailable, "the plugin did not get ready: exit status 3").On(fault.Plugin)
		}
		f.run()
		i := f.storage("a", nil)
		began := time.Now()
		// A call waits for it, until it is failed.
		_, err := i.Stat(t.Context(), "k")
		if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin || !strings.Contains(fault.MessageOf(err), "exit status 3") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %v", took)
		}
		if s := f.status("a"); s.State != Failed || s.Side != fault.Plugin || i.Status().State != Failed {
			t.Errorf("%+v, %+v", s, i.Status())
		}
		before := w.count()
		time.Sleep(24 * time.Hour)
		if n := w.count() - before; n < 24*60-1 || n > 24*60+1 {
			t.Errorf("it was tried %d times in a day", n)
		}
		works.Store(true)
		time.Sleep(61 * time.Second)
		if s := f.status("a"); s.State != Ready {
			t.Errorf("%+v", s)
		}
		if err := i.Opened(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestABadPluginDelaysNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		for _, name := range []string{"bad", "good"} {
			f.trustFake(name, "1.0.0")
		}
		w.prepare = func(p *fakeProcess) error {
			if p.name == "bad" {
				time.Sleep(30 * time.Second)
				return fault.New(fault.Unavailable, "the plugin did not get ready").On(fault.Plugin)
			}
			return nil
		}
		f.run()
		began := time.Now()
		if err := f.storage("good", nil).Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		if s := f.status("bad"); s.State != Starting {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := f.storage("bad", nil).Opened(ctx)
		if fault.KindOf(err) != fault.Timeout || fault.SideOf(err) != fault.Plugin || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		// It has failed once by then, and is started again.
		_, err = f.storage("bad", nil).Stat(t.Context(), "k")
		if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin || time.Since(began) != 10*time.Second+statTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestCallsAreMadeAgainWhereThatIsRight(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(ctx context.Context, i *Instance) error
		method string
		calls  int // in all, where the process ends under each
	}{
		"stat":   {func(ctx context.Context, i *Instance) error { _, err := i.Stat(ctx, "k"); return err }, "stat", 4},
		"put":    {func(ctx context.Context, i *Instance) error { return i.Put(ctx, "k", storage.Bytes([]byte("x"))) }, "put", 4},
		"create": {func(ctx context.Context, i *Instance) error { return i.Create(ctx, "new", storage.Bytes([]byte("x"))) }, "create", 1},
		"put of what can be read once": {func(ctx context.Context, i *Instance) error {
			return i.Put(ctx, "k", storage.Once(strings.NewReader("x"), 1))
		}, "put", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
				f.trustFake("a", "1.0.0")
				f.config.MaxExits, f.config.times.maxBackoff = 100, time.Second
				calls, deadly := 0, 100
				w.call = func(_ context.Context, p *fakeProcess, method, _ string) error {
					if method == c.method {
						if calls++; calls <= deadly {
							p.end("signal: segmentation fault")
						}
					}
					return nil
				}
				f.run()
				i := f.storage("a", nil)
				err := c.do(t.Context(), i)
				if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin || !strings.Contains(err.Error(), "segmentation fault") ||
					!strings.Contains(err.Error(), "its last line") || calls != c.calls {
					t.Errorf("after %d calls: %v", calls, err)
				}
				if c.calls == 1 {
					return
				}
				calls, deadly = 0, 2
				if err := c.do(t.Context(), i); err != nil && fault.KindOf(err) != fault.NotFound || calls != 3 {
					t.Errorf("after %d calls: %v", calls, err)
				}
			})
		})
	}
}

func TestCallsHaveDeadlines(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		w.call = func(ctx context.Context, _ *fakeProcess, method, _ string) error {
			if method == "check" {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}
		f.run()
		i := f.storage("a", nil)
		for name, c := range map[string]struct {
			do    func(ctx context.Context) error
			limit time.Duration
		}{
			"stat": {func(ctx context.Context) error { _, err := i.Stat(ctx, "k"); return err }, 15 * time.Second},
			"put":  {func(ctx context.Context) error { return i.Put(ctx, "k", storage.Bytes(nil)) }, 5 * time.Minute},
		} {
			began := time.Now()
			err := c.do(t.Context())
			if fault.KindOf(err) != fault.Timeout || fault.SideOf(err) != fault.Service || time.Since(began) != c.limit {
				t.Errorf("%s after %v: %v", name, time.Since(began), err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			reason := errors.New("enough")
			time.AfterFunc(time.Second, func() { cancel(reason) })
			if err := c.do(ctx); !errors.Is(err, reason) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, given up: %v", name, err)
			}
		}
	})
}

func TestAServiceThatFailsIsLeftAloneForAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		calls, fails := 0, true
		w.call = func(_ context.Context, _ *fakeProcess, method, key string) error {
			if method == "stat" {
				calls++
			}
			if method == "stat" && fails && key == "bad" {
				return fault.New(fault.Unavailable, "no").On(fault.Service)
			}
			return nil
		}
		f.run()
		bad, other := f.storage("a", nil), f.storage("a", nil)
		for range 100 {
			_, _ = bad.Stat(t.Context(), "bad")
		}
		_, err := bad.Stat(t.Context(), "bad")
		if calls != breakerMinimum || fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service || fault.RetryAfterOf(err) <= 0 {
			t.Errorf("%d calls, %v", calls, err)
		}
		if s := bad.Status(); s.State != Degraded || s.Breaker != Open {
			t.Errorf("%+v", s)
		}
		if _, err := other.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another instance: %v", err)
		}
		fails = false
		time.Sleep(firstPause)
		if _, err := bad.Stat(t.Context(), "bad"); fault.KindOf(err) != fault.NotFound || bad.Status().State != Ready {
			t.Errorf("%v, %+v", err, bad.Status())
		}
	})
}

func TestAnInstanceThatCantBeOpenedIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		w.prepare = func(p *fakeProcess) error {
			p.openErr = fault.New(fault.Unauthenticated, "the password is wrong").On(fault.Service)
			return nil
		}
		f.run()
		i := f.storage("a", nil)
		if _, err := i.Stat(t.Context(), "k"); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%v", err)
		}
		if s := i.Status(); s.State != Failed || s.Reason != "the password is wrong" || s.Side != fault.Service {
			t.Errorf("%+v", s)
		}
		p := w.latest()
		p.mu.Lock()
		p.openErr = nil
		p.mu.Unlock()
		time.Sleep(10 * time.Second)
		if s := i.Status(); s.State != Ready {
			t.Errorf("%+v", s)
		}
	})
}

func TestAnInstanceBeginsLaterThanItsPlugin(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, _ *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		if err := f.storage("a", nil).Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		if s := f.storage("a", nil).Status(); s.Since.Before(began) { // open or not
			t.Errorf("right after it was made it is %+v, and now it is %v", s, began)
		}
	})
}

func TestCallsAreFewerThanTheyMayBe(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		proceed := make(chan struct{})
		inside := make(chan struct{}, 1000)
		var most atomic.Int64
		w.call = func(_ context.Context, _ *fakeProcess, method, _ string) error {
			if method == "put" {
				inside <- struct{}{}
				most.Store(max(most.Load(), int64(len(inside))))
				<-proceed
				<-inside
			}
			return nil
		}
		f.run()
		i := f.storage("a", nil)
		errs := make(chan error, 20)
		for range cap(errs) {
			go func() { errs <- i.Put(t.Context(), "k", storage.Bytes(nil)) }()
		}
		synctest.Wait()
		if n := i.Status().Transfers; n != MaxTransfers || len(inside) != MaxTransfers {
			t.Errorf("%d transfers, %d in the plugin", n, len(inside))
		}
		close(proceed)
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if most.Load() != MaxTransfers {
			t.Errorf("%d at a time", most.Load())
		}
		if m := f.status("a").Metrics; m.InFlight != 0 || len(m.Calls) != 1 || m.Calls[0].Name != "put" || m.Calls[0].Count != 20 {
			t.Errorf("%+v", m)
		}
	})
}

func TestAClosedInstanceIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i, other := f.storage("a", nil), f.storage("a", nil)
		if err := i.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		in, err := i.Get(t.Context(), "k", storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() { closed <- i.Close(t.Context()) }()
		synctest.Wait()
		if _, err := i.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound || fault.SideOf(err) != fault.Caller {
			t.Errorf("%v", err)
		}
		if len(closed) > 0 {
			t.Error("it was closed under a read")
		}
		if got, err := io.ReadAll(in); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
		if err := errors.Join(in.Close(), <-closed, i.Close(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := i.Get(t.Context(), "k", storage.Range{}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%v", err)
		}
		if _, err := other.Stat(t.Context(), "k"); err != nil {
			t.Errorf("the other one: %v", err)
		}
		if n := len(f.status("a").Instances); n != 1 {
			t.Errorf("%d instances", n)
		}
	})
}

// A build replaces a program before its lock.
func TestWhatRunsIsKeptUntilItIsNotTrustedAnyMore(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		lock := filepath.Join(f.dir, trust.LockName)
		good, err := os.ReadFile(lock)
		if err != nil {
			t.Fatal(err)
		}
		f.run()
		i := f.storage("a", nil)
		if err := i.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		rescan := func(want fault.Kind) {
			t.Helper()
			if err := f.Rescan(); fault.KindOf(err) != want {
				t.Errorf("%v", err)
			}
			synctest.Wait()
		}
		program := filepath.Join(f.dir, trust.Prefix+"a")
		if err := os.WriteFile(program+".new", []byte("a 2.0.0"), 0o755); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
		rescan(fault.None)
		if all := f.Plugins(); len(all) != 2 || all[0].State != Ready || all[0].Version != "1.0.0" || all[1].State != Disabled || w.count() != 1 {
			t.Errorf("%+v", all)
		}
		if err := os.WriteFile(lock, good[:20], 0o600); err != nil {
			t.Fatal(err)
		}
		rescan(fault.Corrupt)
		// It is started again as what it was.
		w.latest().Kill()
		if err := i.Opened(t.Context()); err != nil || w.count() != 2 || w.latest().body != "a 1.0.0" || f.status("a").Version != "1.0.0" {
			t.Errorf("%v, %+v", err, f.status("a"))
		}
		if err := os.WriteFile(lock, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		rescan(fault.None)
		if s := f.status("a"); s.State != Disabled || !w.latest().gone() {
			t.Errorf("%+v", s)
		}
	})
}

// Somebody who kills a plugin again and again says nothing of it.
func TestAPluginInALaterDirectoryGoesBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		shipped, installed := f.dir, t.TempDir()
		f.Manager = New(Config{Dirs: []string{shipped, installed}, RunDir: filepath.Join(shipped, "run"), start: w.start})
		f.trustFake("a", "2.0.0")
		f.dir = installed
		f.trustFake("a", "1.0.0")
		f.run()
		synctest.Wait()
		is := func(version, dir string) {
			t.Helper()
			if err := f.Rescan(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if s := f.status("a"); s.Version != version || filepath.Dir(s.File) != dir || s.State != Ready {
				t.Errorf("%s of %s is %s, want %s of %s", s.Version, s.File, s.State, version, dir)
			}
		}
		is("1.0.0", installed)
		if err := errors.Join(os.Remove(filepath.Join(installed, trust.Prefix+"a")), os.Remove(filepath.Join(installed, trust.LockName))); err != nil {
			t.Fatal(err)
		}
		is("2.0.0", shipped)
		f.trustFake("a", "2.0.0") // the same once more
		is("2.0.0", shipped)
		if w.count() != 2 {
			t.Errorf("%d processes were started, want 2", w.count())
		}
	})
}

func TestAPluginThatIsKilledIsStartedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture, w *fakeWorld) {
		f.trustFake("a", "1.0.0")
		f.run()
		i := f.storage("a", nil)
		for range 100 {
			if _, err := i.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound {
				t.Fatal(err)
			}
			p := w.latest()
			p.once.Do(func() {
				p.exit = host.Exit{How: "signal: killed", Signal: "killed", Killed: true}
				close(p.exited)
			})
		}
		time.Sleep(time.Second)
		if s := f.status("a"); s.State != Ready || s.Restarts != 100 {
			t.Errorf("%+v", s)
		}
	})
}
