package agentlink

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// connected returns a lab with one agent.
func connected(t *testing.T, hurry ...func(*pace)) (*lab, *agent) {
	t.Helper()
	l := newLab(t, hurry...)
	a := l.newAgent("alpha")
	a.handler = ollama
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	return l, a
}

func TestReportsAreShown(t *testing.T) {
	l, a := connected(t)
	a.send(&wire.Instances{List: []wire.Instance{{Name: "default", State: wire.InstanceFailed, Reason: "crash_loop", Message: "it crashes"}}})
	host := l.awaitState(a.id(), fleet.HostDegraded)
	if host.Problems[0].Code != "crash_loop" || host.Instances[0].Name != "default" {
		t.Errorf("the host is %+v", host)
	}
	a.send(&wire.Instances{List: []wire.Instance{{Name: "default", State: wire.InstanceReady}}})
	l.awaitState(a.id(), fleet.HostOnline)
}

func TestAModelOnTheCPUIsAProblemUnlessThatIsWanted(t *testing.T) {
	l, a := connected(t)
	slow := &wire.Instances{List: []wire.Instance{{Name: "default", State: wire.InstanceReady, Reason: "cpu_fallback", Message: "it is slow"}}}
	a.send(slow)
	host := l.awaitState(a.id(), fleet.HostDegraded)
	if host.Problems[0].Code != "cpu_fallback" || !host.Instances[0].Serves() {
		t.Errorf("the host is %+v", host)
	}
	l.cpuOnly.Store(true)
	a.send(slow)
	l.awaitState(a.id(), fleet.HostOnline)
}

func TestHowGPUsAreReadIsShown(t *testing.T) {
	l, a := connected(t)
	a.send(&wire.GPUReport{State: wire.GPUsProbeSilent, Message: "the driver may hang", DriverVersion: "570.1", Cards: []wire.GPUCard{{UUID: "GPU-0"}}})
	host := l.awaitState(a.id(), fleet.HostDegraded)
	want := fleet.Problem{Code: "gpus_probe_silent", Message: "the driver may hang"}
	if diff := cmp.Diff([]fleet.Problem{want}, host.Problems); diff != "" || host.GPUReport.DriverVersion != "570.1" || len(host.GPUReport.Cards) != 1 {
		t.Errorf("the report is %+v; problems (-want +got)\n%s", host.GPUReport, diff)
	}
	a.send(&wire.GPUReport{State: "of a newer agent"})
	if host := l.awaitState(a.id(), fleet.HostOnline); host.GPUReport.State != fleet.GPUsUnknown {
		t.Errorf("the report is %+v", host.GPUReport)
	}
}

func TestSamplesAreAcknowledgedOnceTheyAreStored(t *testing.T) {
	l, a := connected(t)
	for seq := range uint64(3) {
		a.send(a.sample(seq+1, 0))
		row := receive(t, l.history.appended, "a sample")
		want := fleet.SampleRow{HostID: a.id(), RunID: a.hello.RunID, Seq: seq + 1}
		got := fleet.SampleRow{HostID: row.HostID, RunID: row.RunID, Seq: row.Seq}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row (-want +got)\n%s", diff)
		}
		sample, err := DecodeSample(row.Payload, row.TakenAt)
		if err != nil || sample.InFlight != int(seq+1) {
			t.Errorf("sample %+v, %v", sample, err)
		}
	}
	a.roundTrip() // brings nothing but its own answer: no acknowledgement yet
	l.history.store()
	for {
		ack, ok := a.next().(*wire.Ack)
		if !ok {
			t.Fatalf("not an acknowledgement: %+v", ack)
		}
		if ack.Seq == 3 {
			break
		}
	}
	a.roundTrip() // nor one more
}

func TestOldSamplesGoIntoTheHistoryAlone(t *testing.T) {
	l, a := connected(t)
	old := a.sample(1, time.Minute)
	a.send(old)
	row := receive(t, l.history.appended, "a sample")
	if took := row.ReceivedAt.Sub(row.TakenAt); took < 55*time.Second || took > 65*time.Second {
		t.Errorf("it counts as taken %v before it came", took)
	}
	if host, err := l.registry.Find(a.id()); err != nil || host.Sample != nil {
		t.Errorf("an old sample is shown as the present: %+v, %v", host.Sample, err)
	}
	a.send(a.sample(2, 0))
	receive(t, l.history.appended, "a sample")
	if host, err := l.registry.Find(a.id()); err != nil || host.Sample == nil || host.Sample.InFlight != 2 {
		t.Errorf("a new one is not: %+v, %v", host.Sample, err)
	}
}

func TestAClockThatIsOffIsCorrectedAndShown(t *testing.T) {
	l := newLab(t, func(p *pace) { p.ping = 500 * time.Millisecond })
	a := l.newAgent("alpha")
	a.skew.Store(-time.Hour.Milliseconds())
	a.connect()
	host := l.awaitState(a.id(), fleet.HostDegraded)
	if off := time.Duration(host.ClockOffsetMS) * time.Millisecond; (off+time.Hour).Abs() > 5*time.Second || host.Problems[0].Code != "clock_offset" {
		t.Errorf("the clock is off by %v, problems %+v", off, host.Problems)
	}
	a.send(a.sample(1, 0))
	if row := receive(t, l.history.appended, "a sample"); row.ReceivedAt.Sub(row.TakenAt).Abs() > 5*time.Second {
		t.Errorf("a sample of now counts as taken %v before it came", row.ReceivedAt.Sub(row.TakenAt))
	}
	a.skew.Store(0) // somebody sets it right
	l.awaitState(a.id(), fleet.HostOnline)
	a.send(a.sample(2, 0))
	if row := receive(t, l.history.appended, "a sample"); row.ReceivedAt.Sub(row.TakenAt).Abs() > 5*time.Second {
		t.Errorf("then one counts as taken %v before it came", row.ReceivedAt.Sub(row.TakenAt))
	}
}

// A host's clock is set a year ahead, and back, in the middle of a session and of an
// outage: samples of before and after come to where they belong.
func TestAClockThatIsSetMovesNoSample(t *testing.T) {
	l := newLab(t, func(p *pace) { p.ping = 200 * time.Millisecond })
	a := l.newAgent("alpha")
	a.steady = true
	year := int64(365 * 24 * 3600 * 1000)
	seq := uint64(0)
	want := func(when string, ago time.Duration) {
		t.Helper()
		seq++
		a.send(&wire.Sample{Seq: seq, UnixMillis: time.Now().Add(-ago).UnixMilli()}) // by the clock that nobody sets
		row := receive(t, l.history.appended, "a sample")
		if took := row.ReceivedAt.Sub(row.TakenAt); (took - ago).Abs() > 5*time.Second {
			t.Errorf("%s: a sample of %v ago counts as taken %v ago", when, ago, took)
		}
	}
	a.skew.Store(-year)
	a.connect()
	l.awaitState(a.id(), fleet.HostDegraded) // its clock is shown as what it is
	want("a year behind", 0)
	want("a year behind", 20*time.Minute)
	a.skew.Store(0)
	want("set right", 0) // before it is known
	l.awaitState(a.id(), fleet.HostOnline)
	want("set right", 0)
	want("set right", 20*time.Minute)
	a.close()
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
	a.skew.Store(year)
	a.connect()
	want("set wrong in an outage", 20*time.Minute)
	want("set wrong in an outage", 0)
	l.awaitState(a.id(), fleet.HostDegraded)
}

func TestALatePongSaysNothingOfTheClock(t *testing.T) {
	l := newLab(t)
	s := newSession("h1", "r1", 1, clocks{})
	ping := l.nextProbe(s)
	l.skew.Store(int64(time.Minute)) // as if this program had stood still meanwhile
	l.followClock(s, &wire.Pong{ID: ping.ID, UnixMillis: time.Now().UnixMilli()})
	l.followClock(s, &wire.Pong{ID: ping.ID + 1, UnixMillis: 1})
	if s.clocks != (clocks{}) {
		t.Errorf("the clock counts as off by %v", s.clocks)
	}
	ping = l.nextProbe(s)
	l.followClock(s, &wire.Pong{ID: ping.ID}) // does not tell
	l.followClock(s, &wire.Pong{ID: ping.ID, UnixMillis: ping.UnixMillis + 1000})
	if s.clocks != (clocks{}) {
		t.Errorf("the network's delay counts as %v of the clock", s.clocks)
	}
}

func TestUnknownFramesAreSkipped(t *testing.T) {
	_, a := connected(t)
	a.send(&wire.Unknown{Number: 1000, Payload: []byte("of a newer agent")})
	a.send(&wire.Pong{ID: 99}) // to a ping that nobody sent
	a.send(&wire.ActionResult{ID: 99, Code: "ok"})
	a.roundTrip()
}

func TestFramesThatEndTheSession(t *testing.T) {
	tooLong := binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1)
	for name, c := range map[string]struct {
		raw  []byte
		kind fault.Kind
	}{
		"over the cap":    {tooLong, fault.TooLarge},
		"not for agents":  {framed(wire.AppendFrame(nil, &wire.Welcome{Name: "x"})), fault.Invalid},
		"another hello":   {framed(wire.AppendFrame(nil, &wire.Hello{RunID: "x"})), fault.Invalid},
		"not a frame":     {framed([]byte("\xff\xff\xff")), fault.None},
		"an empty one":    {framed(nil), fault.None},
		"one of a stream": {framed(wire.AppendFrame(nil, &wire.Goodbye{Reason: "x"}))[:5], fault.None}, // and then the end
	} {
		t.Run(name, func(t *testing.T) {
			l, a := connected(t)
			a.raw.Write(c.raw) // the session may have ended before this returns
			if name == "one of a stream" {
				a.raw.Close()
			}
			a.wantCut()
			if err := l.ended(); fault.KindOf(err) != c.kind || err != nil && fault.SideOf(err) != fault.Host {
				t.Errorf("the session ended with %v (%v), want %v", err, fault.KindOf(err), c.kind)
			}
			l.awaitState(a.id(), fleet.HostDisconnected)
		})
	}
}

// framed puts a frame's length before it.
func framed(frame []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
}

func TestSilenceEndsASession(t *testing.T) {
	l, a := connected(t, func(p *pace) { p.ping = 50 * time.Millisecond })
	a.mute.Store(true)
	a.wantCut()
	l.awaitState(a.id(), fleet.HostAway)
	if err := l.ended(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
}

// Liveness counts ticks: a clock that jumps, or a program that stood still, has
// not seen its agents' silence.
func TestAnHourThatNobodySawIsNoSilence(t *testing.T) {
	l, a := connected(t, func(p *pace) { p.ping = 500 * time.Millisecond })
	s, err := l.session(a.id())
	if err != nil {
		t.Fatal(err)
	}
	l.skew.Store(int64(time.Hour))
	// Some ticks later the session is still the same.
	before := s.newID()
	l.await(a.id(), "a measure of the clock that jumped", func(v fleet.HostView) bool { return v.ClockOffset < -50*time.Minute })
	if after := s.newID(); after <= before+1 {
		t.Errorf("no ping was sent between %d and %d", before, after)
	}
	a.roundTrip()
	if now, err := l.session(a.id()); err != nil || now != s {
		t.Errorf("the session is another one: %v", err)
	}
}

func TestAnAgentThatSaysGoodbyeIsStopped(t *testing.T) {
	l, a := connected(t)
	a.send(&wire.Goodbye{Reason: "the agent stops"})
	a.roundTrip() // it may still say something
	a.close()
	l.awaitState(a.id(), fleet.HostStopped)
	if err := l.ended(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
}

func TestAHostThatGoesToSleepIsAsleep(t *testing.T) {
	l, a := connected(t)
	a.send(&wire.Goodbye{Reason: "the host goes to sleep", Asleep: true})
	a.roundTrip()
	a.close()
	l.awaitState(a.id(), fleet.HostAsleep)
}

func TestAnAgentThatIsLeavingGetsNothingNew(t *testing.T) {
	l, a := connected(t)
	a.send(&wire.Leaving{GraceMillis: 30_000})
	view := l.await(a.id(), "known to be leaving", func(v fleet.HostView) bool { return len(v.Problems) > 0 })
	if view.State != fleet.HostDegraded || view.Problems[0].Code != "leaving" {
		t.Errorf("the host is %s: %v", view.State, view.Problems)
	}
	a.roundTrip() // and goes on
	a.close()
	if view := l.await(a.id(), "disconnected", func(v fleet.HostView) bool { return v.State == fleet.HostDisconnected }); len(view.Problems) != 0 {
		t.Errorf("when it has gone: %v", view.Problems)
	}
}

// A full history takes no sample behind the one that it refused, and has the
// agent come again when there is room and nobody is in the way.
func TestSamplesStayWithTheirAgentWhileTheHistoryIsFull(t *testing.T) {
	l, a := connected(t)
	l.history.full.Store(true)
	a.send(a.sample(1, 0))
	a.roundTrip()
	l.history.full.Store(false)
	a.send(a.sample(2, 0))
	a.roundTrip()
	if len(l.history.appended) != 0 {
		t.Fatal("a later sample was taken")
	}
	if host, err := l.registry.Find(a.id()); err != nil || host.Sample == nil || host.Sample.InFlight != 2 {
		t.Errorf("it is not shown: %+v, %v", host.Sample, err)
	}
	l.history.room.Store(true)
	answer, err := l.Call(t.Context(), fleet.Target{HostID: a.id(), Instance: "default"}, fleet.Call{Method: "GET", Path: "/endless"})
	if err != nil {
		t.Fatal(err)
	}
	a.send(a.sample(3, 0))
	a.roundTrip() // the answer under way goes on
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	a.out.Write(a.sample(4, 0)) // the session may have ended before this returns
	a.wantCut()
	if err := l.ended(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
}
