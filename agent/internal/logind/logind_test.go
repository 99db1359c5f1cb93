package logind

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/bustest"
)

var errAsleep = errors.New("the host sleeps")

// work is done while the host is awake.
type work struct {
	begun  chan struct{}
	ending chan bool  // receives when it is to end, and whether that is because the host sleeps
	finish chan error // it returns what is sent here
}

// run has a watcher do work until the end of the test.
func run(t *testing.T) (w *work, stop func() error) {
	t.Helper()
	w = &work{begun: make(chan struct{}), ending: make(chan bool), finish: make(chan error)}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		result <- New(errAsleep, hclog.NewNullLogger()).Run(ctx, func(ctx context.Context) error {
			w.begun <- struct{}{}
			<-ctx.Done()
			w.ending <- errors.Is(context.Cause(ctx), errAsleep)
			return <-w.finish
		})
	}()
	return w, func() error {
		cancel()
		return receive(t, result, "the end of Run")
	}
}

// sleep lets work end, which is to because the host sleeps.
func (w *work) sleep(t *testing.T) {
	t.Helper()
	if !receive(t, w.ending, "the end of work") {
		t.Error("work was ended by something else")
	}
	w.finish <- nil
}

// stop lets work end, for whatever reason.
func (w *work) stop() {
	<-w.ending
	w.finish <- nil
}

func TestTheHostSleepsWhenWorkHasEnded(t *testing.T) {
	startBus(t)
	logind := startLogind(t, false)
	w, stop := run(t)
	receive(t, w.begun, "work")
	for range 3 {
		held := logind.taken()
		logind.say(true)
		if !receive(t, w.ending, "the end of work") {
			t.Error("work was ended by something else")
		}
		held.wantHeld(t)
		w.finish <- nil
		held.awaitReleased(t)
		select {
		case <-w.begun:
			t.Fatal("work was begun on a host that sleeps")
		case <-time.After(50 * time.Millisecond):
		}
		logind.say(false)
		receive(t, w.begun, "work")
	}
	go w.stop()
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestAnEndDuringASleepIsAnEnd(t *testing.T) {
	startBus(t)
	logind := startLogind(t, false)
	w, stop := run(t)
	receive(t, w.begun, "work")
	held := logind.taken()
	logind.say(true)
	w.sleep(t)
	held.awaitReleased(t)
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

// A host that never is awake again would be lost.
func TestAHostIsAwakeWhenNothingSaysOtherwise(t *testing.T) {
	for name, gone := range map[string]func(bus *bustest.Bus, logind *fakeLogind){
		"logind ended":   func(_ *bustest.Bus, logind *fakeLogind) { logind.conn.Close() },
		"the bus ended":  func(bus *bustest.Bus, _ *fakeLogind) { bus.End() },
		"the sleep did":  func(_ *bustest.Bus, logind *fakeLogind) { logind.say(false) },
		"it is repeated": func(_ *bustest.Bus, logind *fakeLogind) { logind.say(true); logind.say(false) },
	} {
		t.Run(name, func(t *testing.T) {
			bus := startBus(t)
			logind := startLogind(t, false)
			w, stop := run(t)
			receive(t, w.begun, "work")
			held := logind.taken()
			logind.say(true)
			w.sleep(t)
			held.awaitReleased(t)
			gone(bus, logind)
			receive(t, w.begun, "work")
			go w.stop()
			if err := stop(); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

func TestALogindThatComesLaterIsHeard(t *testing.T) {
	startBus(t)
	w, stop := run(t)
	receive(t, w.begun, "work")
	for range 2 { // and one that is restarted
		logind := startLogind(t, false)
		held := logind.taken()
		logind.say(true)
		w.sleep(t)
		held.awaitReleased(t)
		logind.conn.Close()
		receive(t, w.begun, "work")
	}
	go w.stop()
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestALogindThatRefusesToWaitIsHeard(t *testing.T) {
	startBus(t)
	logind := startLogind(t, true)
	w, stop := run(t)
	receive(t, w.begun, "work")
	logind.taken()
	logind.say(true)
	w.sleep(t)
	logind.say(false)
	receive(t, w.begun, "work")
	go w.stop()
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

// Everybody on the bus can send a signal that looks like logind's.
func TestOthersCannotPutTheHostToSleep(t *testing.T) {
	startBus(t)
	logind := startLogind(t, false)
	w, stop := run(t)
	receive(t, w.begun, "work")
	held := logind.taken()
	liar := &fakeLogind{t: t, conn: connect(t)}
	liar.say(true)
	select {
	case <-w.ending:
		t.Fatal("work was ended by a stranger")
	case <-time.After(100 * time.Millisecond):
	}
	logind.say(true) // while what logind says is heard
	w.sleep(t)
	held.awaitReleased(t)
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestWorkThatFailsEndsRun(t *testing.T) {
	startBus(t)
	failure := errors.New("it fails")
	watcher := New(errAsleep, hclog.NewNullLogger())
	if err := watcher.Run(t.Context(), func(context.Context) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("Run = %v", err)
	}
	logind := startLogind(t, false)
	w, stop := run(t)
	receive(t, w.begun, "work")
	logind.taken()
	logind.say(true)
	receive(t, w.ending, "the end of work")
	w.finish <- failure
	if err := stop(); !errors.Is(err, failure) {
		t.Errorf("Run = %v", err)
	}
}

// Most containers have no bus: that is no fault, and said once.
func TestWithoutABusWorkIsDone(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	synctest.Test(t, func(t *testing.T) {
		var out safeBuffer
		log := hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Debug})
		ctx, cancel := context.WithCancel(t.Context())
		begun := 0
		ended := make(chan error, 1)
		go func() {
			ended <- New(errAsleep, log).Run(ctx, func(ctx context.Context) error {
				begun++
				<-ctx.Done()
				return nil
			})
		}()
		time.Sleep(10 * retryInterval)
		cancel()
		if err := <-ended; err != nil || begun != 1 {
			t.Errorf("Run = %v, work was begun %d times", err, begun)
		}
		if said := out.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "[DEBUG]") {
			t.Errorf("it said\n%s", said)
		}
	})
}

// safeBuffer is a buffer that goroutines share.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
