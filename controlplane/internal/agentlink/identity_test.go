package agentlink

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestACloneOfALiveAgentIsRefusedAndShown(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)

	clone := a.clone("another run")
	clone.hello.Host.Hostname = "copy"
	if r := clone.wantRefused(clone.greet(), wire.RejectDuplicateIdentity); r.RetryAfterMillis != 30_000 {
		t.Errorf("it is to stay away for %d ms", r.RetryAfterMillis)
	}
	host := l.awaitState(a.id(), fleet.HostDegraded)
	if len(host.Problems) != 1 || host.Problems[0].Code != "duplicate_identity" {
		t.Errorf("problems: %+v", host.Problems)
	}
	a.roundTrip() // the first one goes on
	s, err := l.session(a.id())
	if err != nil {
		t.Fatal(err)
	}
	l.forgetDuplicate(s)
	if host := l.awaitState(a.id(), fleet.HostDegraded); len(host.Problems) != 1 {
		t.Errorf("it was forgotten too early")
	}
	l.skew.Store(int64(2*duplicateRetry + time.Minute))
	l.forgetDuplicate(s)
	l.awaitState(a.id(), fleet.HostOnline)
}

func TestTheSameRunTakesItsOwnPlace(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	again := a.clone(a.hello.RunID) // whose first connection hangs in the network
	if got := again.connect().SessionEpoch; got != 2 {
		t.Errorf("the epoch is %d", got)
	}
	a.wantCut()
	if err := l.ended(); err != nil {
		t.Errorf("the first session ended with %v", err)
	}
	again.roundTrip()
	again.send(&wire.Instances{List: []wire.Instance{{Name: "default", State: wire.InstanceReady}}})
	l.await(a.id(), "the second session's report", func(v fleet.HostView) bool { return v.State == fleet.HostOnline && len(v.Instances) == 1 })
}

func TestADeadIncumbentMakesWay(t *testing.T) {
	l := newLab(t, func(p *pace) { p.ping = 300 * time.Millisecond })
	a := l.newAgent("alpha")
	a.mute.Store(true)
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	again := a.clone("after a restart")
	if got := again.connect().SessionEpoch; got != 2 {
		t.Errorf("the epoch is %d", got)
	}
	a.wantCut()
	again.roundTrip()
	if host := l.awaitState(a.id(), fleet.HostOnline); len(host.Problems) != 0 {
		t.Errorf("problems: %+v", host.Problems)
	}
}

// Of two handshakes at a time the one that began its session later wins, however
// soon their control streams come.
func TestAnOlderSessionDoesNotReplaceANewerOne(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	if _, ok := a.greet().(*wire.Welcome); !ok {
		t.Fatal("not welcome")
	}
	later := a.clone("another run")
	later.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	_ = a.tryOpen()
	a.wantCut()
	if err := l.ended(); err != nil {
		t.Errorf("the older session ended with %v", err)
	}
	later.roundTrip()
	l.awaitState(a.id(), fleet.HostOnline)
}
