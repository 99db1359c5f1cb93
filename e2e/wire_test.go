package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/wire"
)

// join has a fake agent join under a name.
func join(t *testing.T, controlplane *corraltest.ControlPlane, name string) *corraltest.FakeAgent {
	t.Helper()
	h := controlplane.Dial()
	h.Send(h.Hello(corraltest.NewIdentity(t), name, controlplane.Token()))
	return h.Session()
}

// sampleAt is a sample of a host that is 50% busy.
func sampleAt(seq uint64, at time.Time) *wire.Sample {
	return &wire.Sample{Seq: seq, UnixMillis: at.UnixMilli(), CPU: wire.CPU{Known: true, TotalPercent: 50}}
}

// history returns a host's samples, oldest first.
func history(t *testing.T, controlplane *corraltest.ControlPlane, host string) []client.Sample {
	t.Helper()
	var answer struct{ Samples []client.Sample }
	controlplane.As(corraltest.Admin).Get("/api/history?limit=10000&host=" + host).JSON(&answer)
	return answer.Samples
}

func TestHandshakesThatAreTurnedAway(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	key := corraltest.NewIdentity(t)

	t.Run("signature of another key", func(t *testing.T) {
		h := controlplane.Dial()
		hello := h.Hello(key, "forger", controlplane.Token())
		hello.Signature[7] ^= 1
		h.Send(hello)
		h.WantReject(wire.RejectProof)
	})
	t.Run("hello of another handshake", func(t *testing.T) {
		token := controlplane.Token()
		first := controlplane.Dial()
		hello := first.Hello(key, "replayed", token)
		second := controlplane.Dial()
		second.Send(hello)
		second.WantReject(wire.RejectProof)
		first.Send(hello) // where it belongs it is good
		first.Session()
	})
	t.Run("unknown key without a token", func(t *testing.T) {
		h := controlplane.Dial()
		h.Send(h.Hello(corraltest.NewIdentity(t), "stranger", ""))
		h.WantReject(wire.RejectNotJoined)
	})
	t.Run("a newer protocol alone", func(t *testing.T) {
		h := controlplane.Dial()
		hello := h.Hello(key, "newer", "")
		hello.Version = wire.Version + 1
		h.Send(hello)
		h.WantReject(wire.RejectVersion)
	})
	t.Run("another frame", func(t *testing.T) {
		h := controlplane.Dial()
		h.Send(&wire.Ping{ID: 1})
		h.WantReject(wire.RejectMalformed)
	})
	t.Run("over the cap", func(t *testing.T) {
		h := controlplane.Dial()
		h.SendBytes(bytes.Repeat([]byte{1}, wire.MaxHandshakeFrame+1))
		if frame, err := h.Receive(); err == nil {
			t.Errorf("it is answered with %+v", frame)
		}
	})
	if answer := controlplane.As("").Get("/healthz"); answer.Status != 200 {
		t.Errorf("the control plane's health is %d", answer.Status)
	}
}

func TestFramesOfAHostileAgent(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()

	victim := join(t, controlplane, "victim")
	report := &wire.Instances{List: []wire.Instance{{
		Name: wire.DefaultInstance, Mode: "managed", State: wire.InstanceReady, ModelsKnown: true,
		Models: []wire.Model{{Name: "precious:latest", Digest: "0123", SizeBytes: 1}},
	}}}
	victim.Send(report)
	serves := func() {
		t.Helper()
		controlplane.AwaitHost(5*time.Second, victim.Welcome.HostID, "is unharmed", func(h *client.Host) bool {
			return h.Name == "victim" && corraltest.Serves(h) && len(h.Instances[0].Models) == 1
		})
	}
	serves()

	t.Run("over the cap", func(t *testing.T) {
		hostile := join(t, controlplane, "large")
		hostile.Control.Write([]byte{0xff, 0xff, 0xff, 0xff}) // fails when the session has ended already
		hostile.WantEnd()
	})
	t.Run("no frame", func(t *testing.T) {
		hostile := join(t, controlplane, "garbage")
		hostile.Control.Write([]byte{0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff})
		hostile.WantEnd()
	})
	t.Run("of the other direction", func(t *testing.T) {
		hostile := join(t, controlplane, "upside-down")
		// Fails when the session has ended already.
		_ = wire.NewWriter(hostile.Control).Write(&wire.Welcome{HostID: victim.Welcome.HostID, Name: "victim"})
		hostile.WantEnd()
	})
	t.Run("under a name that is taken", func(t *testing.T) {
		hostile := join(t, controlplane, "victim")
		if hostile.Welcome.Name == "victim" || hostile.Welcome.HostID == victim.Welcome.HostID {
			t.Errorf("it is called %q and is %s, as another host", hostile.Welcome.Name, hostile.Welcome.HostID)
		}
		hostile.Send(&wire.Instances{}) // has nothing, and so has only itself
		hostile.Send(sampleAt(1, time.Now()))
		hostile.AwaitAck(1)
	})
	t.Run("unknown", func(t *testing.T) {
		newer := join(t, controlplane, "newer")
		newer.Send(&wire.Unknown{Number: 1234, Payload: []byte{8, 1}})
		newer.Send(sampleAt(1, time.Now()))
		newer.AwaitAck(1)
	})
	victim.Send(report)
	serves()
}

// TestSamplesAreStoredOnce sends what was acknowledged once more, as an agent
// does that did not get the acknowledgement.
func TestSamplesAreStoredOnce(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane()
	agent := join(t, controlplane, "host")
	started := time.Now().Add(-10 * time.Second).Truncate(time.Millisecond)
	at := func(seq uint64) time.Time { return started.Add(time.Duration(seq) * time.Second) }
	for _, run := range [][]uint64{{1, 2, 3}, {2, 3, 4, 5}} {
		for _, seq := range run {
			agent.Send(sampleAt(seq, at(seq)))
		}
		agent.AwaitAck(run[len(run)-1])
	}
	var gaps []time.Duration
	samples := history(t, controlplane, "host")
	for i := 1; i < len(samples); i++ {
		gaps = append(gaps, samples[i].TakenAt.Sub(samples[i-1].TakenAt))
	}
	if d := cmp.Diff(slices.Repeat([]time.Duration{time.Second}, 4), gaps); d != "" {
		t.Errorf("%d samples, with these times between them (-want +got):\n%s", len(samples), d)
	}
}

// TestClockThatIsOff has a host whose clock is an hour ahead.
func TestClockThatIsOff(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane()
	h := controlplane.Dial()
	hello := h.Hello(corraltest.NewIdentity(t), "fast", controlplane.Token())
	hello.UnixMillis = time.Now().Add(time.Hour).UnixMilli()
	h.Send(hello) // the clock is not part of the proof
	agent := h.Session()
	taken := time.Now()
	agent.Send(sampleAt(1, taken.Add(time.Hour)))
	agent.AwaitAck(1)

	host := controlplane.AwaitHost(5*time.Second, "fast", "reports", func(h *client.Host) bool { return h.Sample != nil })
	off := time.Duration(host.ClockOffsetMS)*time.Millisecond - time.Hour
	if off.Abs() > 2*time.Second {
		t.Errorf("the clock is off by an hour, and %v is measured", time.Duration(host.ClockOffsetMS)*time.Millisecond)
	}
	if !slices.ContainsFunc(host.Problems, func(p client.Problem) bool { return p.Code == "clock_offset" }) {
		t.Errorf("problems: %+v", host.Problems)
	}
	samples := history(t, controlplane, "fast")
	if len(samples) != 1 || samples[0].TakenAt.Sub(taken).Abs() > 2*time.Second {
		t.Errorf("a sample of %v is stored as %s", taken, fmt.Sprint(samples))
	}
}
