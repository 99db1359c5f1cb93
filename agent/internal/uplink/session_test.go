package uplink

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestASessionTellsInstancesAtOnceAndWhenTheyChange(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, cp.url)
	changed := make(chan struct{}, 1)
	o.Changed = changed
	run(t, o)
	p := cp.session()
	for range 3 {
		if list := await[*wire.Instances](p).List; len(list) != 1 || list[0].Name != "default" {
			t.Fatalf("instances %+v", list)
		}
		changed <- struct{}{}
	}
}

func TestUnknownFramesAreSkippedAndPingsAnswered(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	run(t, options(t, cp.url))
	p := cp.session()
	for _, f := range []wire.Frame{
		&wire.Unknown{Number: 1234, Payload: []byte("from the future")},
		&wire.Pong{ID: 99},
		&wire.Challenge{Nonce: []byte("out of place")},
		&wire.Ping{ID: 7},
	} {
		if err := p.out.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if pong := await[*wire.Pong](p); pong.ID != 7 {
		t.Errorf("%+v", pong)
	}
}

// Samples are dated by one clock, and the other is the one that operators set.
func TestBothClocksAreTold(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	run(t, options(t, cp.url))
	p := cp.session()
	if err := p.out.Write(&wire.Ping{ID: 7}); err != nil {
		t.Fatal(err)
	}
	pong := await[*wire.Pong](p)
	for what, told := range map[string][2]int64{
		"hello": {p.hello.UnixMillis, p.hello.SteadyMillis}, "pong": {pong.UnixMillis, pong.SteadyMillis},
	} {
		if off := time.Since(time.UnixMilli(told[0])); off.Abs() > patience {
			t.Errorf("the %s's clock is off by %v", what, off)
		}
		if off := unset().Sub(time.UnixMilli(told[1])); off.Abs() > patience {
			t.Errorf("the %s's steady clock is off by %v", what, off)
		}
	}
}

// TestUnknownFramesAreSentOnPurpose holds that they come now and then.
func TestUnknownFramesAreSentOnPurpose(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	for range 200 {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := New(options(t, cp.url)).connect(ctx, cp.url); ctx.Err() == nil {
				t.Errorf("the session ended by itself: %v", err)
			}
		}()
		p := cp.session()
		first, err := p.frame()
		stop()
		p.mux.Close()
		<-ended
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := first.(*wire.Unknown); ok {
			if u.Number < 1000 {
				t.Errorf("number %d may come to mean something", u.Number)
			}
			return
		}
	}
	t.Error("in 200 sessions there was no unknown frame")
}

func TestActionsAreCarriedOutAndTheirErrorsTold(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, cp.url)
	o.Act = func(_ context.Context, a *wire.Action) error {
		switch a.Kind {
		case wire.ActionRefresh:
			return nil
		case wire.ActionRestartInstance:
			return errRefused
		}
		return fault.New(fault.NotImplemented, "this agent does not know the action %q", a.Kind)
	}
	run(t, o)
	p := cp.session()
	f := func(kind string, want wire.ActionResult) {
		t.Helper()
		if err := p.out.Write(&wire.Action{ID: want.ID, Kind: kind, Instance: "default"}); err != nil {
			t.Fatal(err)
		}
		if got := await[*wire.ActionResult](p); *got != want {
			t.Errorf("%s: %+v, want %+v", kind, *got, want)
		}
	}
	f(wire.ActionRefresh, wire.ActionResult{ID: 1, Code: "ok"})
	f(wire.ActionRestartInstance, wire.ActionResult{ID: 2, Code: "internal", Message: fault.MessageOf(errRefused)})
	f("format_disk", wire.ActionResult{ID: 3, Code: "not_implemented", Message: `this agent does not know the action "format_disk"`})
}

func TestAnActionThatTakesLongHoldsNothingUp(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, cp.url)
	o.Act = func(ctx context.Context, _ *wire.Action) error {
		<-ctx.Done()
		return ctx.Err()
	}
	r := run(t, o)
	p := cp.session()
	p.out.Write(&wire.Action{ID: 1, Kind: wire.ActionRestartInstance})
	p.out.Write(&wire.Ping{ID: 2})
	if pong := await[*wire.Pong](p); pong.ID != 2 {
		t.Errorf("%+v", pong)
	}
	r.stop()
	await[*wire.Goodbye](p)
	p.mux.Close()
	if err := r.end(t); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestStreamsAreServed(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, cp.url)
	o.Serve = func(_ context.Context, stream net.Conn) {
		defer stream.Close()
		io.Copy(stream, stream)
	}
	run(t, o)
	p := cp.session()
	for range 3 {
		stream, err := p.mux.Open()
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("echo "), 50_000)
		go func() { stream.Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(stream, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("what came back differs: %v", err)
		}
		stream.Close()
	}
}

// wantNothingLeft gives goroutines that have done their work the moment that
// they need to end.
func wantNothingLeft(t *testing.T) {
	t.Helper()
	late := time.Now().Add(2 * time.Second)
	stack := leftOver()
	for ; stack != "" && time.Now().Before(late); stack = leftOver() {
		time.Sleep(time.Millisecond)
	}
	if stack != "" {
		t.Errorf("left after Run:\n%s", stack)
	}
}

// leftOver returns the stacks of goroutines of this package that should be gone.
func leftOver() string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		return err.Error()
	}
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, "uplink.(*Uplink)") || strings.Contains(stack, "uplink.(*session)") {
			return stack
		}
	}
	return ""
}

func TestGoodbyeArrivesBeforeTheEnd(t *testing.T) {
	cp := newControlPlane(t, newAuthority(t), nil)
	for range 10 {
		o := options(t, cp.url)
		token := wire.NewJoinToken(cp.shows.Load().root)
		o.Token = token.Reveal()
		serving := make(chan struct{})
		o.Serve = func(ctx context.Context, stream net.Conn) {
			close(serving)
			<-ctx.Done()
			stream.Close()
		}
		r := run(t, o)
		p := cp.session()
		if _, err := p.mux.Open(); err != nil {
			t.Fatal(err)
		}
		<-serving
		r.stop()
		if got := await[*wire.Goodbye](p); got.Asleep {
			t.Errorf("%+v", got)
		}
		if _, err := p.frame(); err != io.EOF {
			t.Fatalf("after the goodbye: %v, want the end of the stream", err)
		}
		p.mux.Close()
		if err := r.end(t); err != nil {
			t.Fatalf("Run = %v", err)
		}
		wantNothingLeft(t)
		if s := r.Status(); s.Connected {
			t.Errorf("after Run the status is %+v", s)
		}
	}
}

// TestAControlPlaneThatHearsNothingDelaysTheEndLittle stops an agent whose
// control plane has stopped to read what it says.
func TestAControlPlaneThatHearsNothingDelaysTheEndLittle(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, cp.url)
	o.Samples = NewRing(1000, nil)
	for range 1000 {
		o.Samples.Push(&wire.Sample{CPU: wire.CPU{Known: true, PerCorePercent: make([]float32, 512)}})
	}
	r := run(t, o)
	cp.session()
	r.stop()
	begun := time.Now()
	if err := r.end(t); err != nil {
		t.Errorf("Run = %v", err)
	}
	if took := time.Since(begun); took > 5*farewellTimeout {
		t.Errorf("the end took %v", took)
	}
	wantNothingLeft(t)
}

func TestStoppingInTheHandshake(t *testing.T) {
	asked, never := make(chan struct{}), make(chan struct{})
	cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		close(asked)
		<-never
		return &wire.Reject{}
	})
	t.Cleanup(func() { close(never) })
	r := run(t, options(t, cp.url))
	<-asked
	r.stop()
	begun := time.Now()
	if err := r.end(t); err != nil {
		t.Errorf("Run = %v", err)
	}
	if took := time.Since(begun); took > wire.HandshakeTimeout/2 {
		t.Errorf("the end took %v", took)
	}
}

// TestLeavingIsToldInEverySession wants a control plane to hear of it before it is
// told again of instances that it might send something to.
func TestLeavingIsToldInEverySession(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, cp.url)
	leaving := make(chan struct{})
	o.Leaving, o.Grace = leaving, 30*time.Second
	run(t, o)
	p := cp.session()
	await[*wire.Instances](p)
	close(leaving)
	if got := await[*wire.Leaving](p); got.GraceMillis != 30_000 {
		t.Errorf("%+v", got)
	}
	p.cut()
	p = cp.session()
	for {
		frame, err := p.frame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame.(type) {
		case *wire.Leaving:
			return
		case *wire.Instances:
			t.Fatal("the instances were told of before")
		}
	}
}

func TestAHostThatSleepsSaysSoAndComesBack(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	u := New(options(t, cp.url))
	for range 2 {
		ctx, sleep := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- u.Run(ctx) }()
		p := cp.session()
		sleep(ErrAsleep)
		if got := await[*wire.Goodbye](p); !got.Asleep || got.Reason != ErrAsleep.Error() {
			t.Errorf("%+v", got)
		}
		p.mux.Close()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		if s := u.Status(); s.Connected {
			t.Errorf("asleep, the status is %+v", s)
		}
	}
}

// TestTheKeyOfTicketsIsTold tells it as it is in each session, later, and when the host is
// not one of the fleet's any more.
func TestTheKeyOfTicketsIsTold(t *testing.T) {
	var removed atomic.Bool
	cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		if removed.Load() {
			return &wire.Reject{Code: wire.RejectNotJoined, Message: "It was removed."}
		}
		return &wire.Welcome{HostID: "h1", Name: "rack-1", PeerTicketKey: []byte("first")}
	})
	o := options(t, cp.url)
	told := make(chan string, 3)
	o.PeerTickets = func(key []byte) { told <- string(key) }
	run(t, o)
	want := func(key string) {
		t.Helper()
		select {
		case got := <-told:
			if got != key {
				t.Errorf("the key is %q, want %q", got, key)
			}
		case <-time.After(patience):
			t.Fatalf("the key %q is not told", key)
		}
	}
	p := cp.session()
	want("first")
	if err := p.out.Write(&wire.PeerTickets{Key: []byte("second")}); err != nil {
		t.Fatal(err)
	}
	want("second")
	removed.Store(true)
	p.mux.Close()
	want("")
}
