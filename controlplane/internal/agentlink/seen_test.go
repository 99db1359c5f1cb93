package agentlink

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

// restarted returns what a control plane that starts now knows of a host.
func (l *lab) restarted(id string) fleet.HostView {
	l.t.Helper()
	stored, err := l.db.Hosts(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	view, err := fleet.NewRegistry(stored).Find(id)
	if err != nil {
		l.t.Fatal(err)
	}
	return view
}

// wantSeen checks that a host was seen this far into the future, both as it is
// known now and as it would be after a restart.
func (l *lab) wantSeen(id string, ahead time.Duration) {
	l.t.Helper()
	now, err := l.registry.Find(id)
	if err != nil {
		l.t.Fatal(err)
	}
	for what, seen := range map[string]time.Time{"known": now.SeenAt, "stored": l.restarted(id).SeenAt} {
		if off := time.Until(seen) - ahead; off.Abs() > patience {
			l.t.Errorf("it is %s that the host was seen %v from when it was", what, off)
		}
	}
}

func TestHowAHostWasSeenLastSurvivesARestart(t *testing.T) {
	farewell := func(f *wire.Goodbye) func(*lab, *agent) {
		return func(_ *lab, a *agent) {
			a.send(f)
			a.roundTrip()
			a.close()
		}
	}
	for name, c := range map[string]struct {
		end  func(*lab, *agent)
		then fleet.HostState // after a restart
	}{
		"lost":            {func(_ *lab, a *agent) { a.close() }, fleet.HostAway},
		"stopped":         {farewell(&wire.Goodbye{Reason: "the agent stops"}), fleet.HostStopped},
		"asleep":          {farewell(&wire.Goodbye{Asleep: true}), fleet.HostAsleep},
		"ended from here": {func(l *lab, a *agent) { l.Disconnect(a.id()) }, fleet.HostAway},
		"shut down":       {func(l *lab, _ *agent) { l.stop() }, fleet.HostAway},
	} {
		t.Run(name, func(t *testing.T) {
			l, a := connected(t)
			l.wantSeen(a.id(), 0)
			l.skew.Store(int64(time.Hour))
			c.end(l, a)
			if err := l.ended(); err != nil {
				t.Fatal(err)
			}
			l.wantSeen(a.id(), time.Hour)
			if state := l.restarted(a.id()).State; state != c.then {
				t.Errorf("after a restart it is %s, want %s", state, c.then)
			}
		})
	}
}

// The end of a session that was replaced is no end of the host's, and yet it was
// seen then; so it was when the next one began.
func TestAReplacedSessionLeavesTheHostOnline(t *testing.T) {
	l, a := connected(t)
	l.skew.Store(int64(time.Hour))
	again := a.clone(a.hello.RunID)
	again.skew.Store(time.Hour.Milliseconds()) // both clocks
	again.connect()
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
	l.awaitState(a.id(), fleet.HostOnline)
	l.wantSeen(a.id(), time.Hour)
	l.skew.Store(int64(2 * time.Hour))
	again.close()
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
	l.wantSeen(a.id(), 2*time.Hour)
}

func TestARemovedHostsSessionEndsWithoutAFault(t *testing.T) {
	l, a := connected(t)
	if err := l.db.RemoveHost(t.Context(), a.id()); err != nil {
		t.Fatal(err)
	}
	l.registry.Remove(a.id())
	l.Disconnect(a.id())
	if err := l.ended(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
}
