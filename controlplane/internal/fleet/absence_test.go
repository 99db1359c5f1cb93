package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const deadAfter = 10 * time.Minute

// pass lets time pass second by second and returns the ids of those that died.
func pass(r *fleet.Registry, d, deadAfter time.Duration) (died []string) {
	for ; d > 0; d -= time.Second {
		for _, h := range r.Pass(time.Second, deadAfter) {
			died = append(died, h.ID)
		}
	}
	return died
}

func wantState(t *testing.T, r *fleet.Registry, id string, want fleet.HostState) {
	t.Helper()
	if v := find(t, r, id); v.State != want {
		t.Errorf("%s is %s, want %s", id, v.State, want)
	}
}

func TestAHostThatIsLostIsAwayAndThenDead(t *testing.T) {
	r := registry("a", "b")
	r.Report("a", 1, noon(), []fleet.Instance{ready("default", model("tiny", "d1", 1))})
	r.Disconnect("a", 1, noon(), fleet.HostDisconnected)
	if h := r.Holders(nil, "tiny"); len(h) != 1 || h[0].Serves {
		t.Error("requests still go to a host whose connection is gone")
	}
	pass(r, 9*time.Second, deadAfter)
	wantState(t, r, "a", fleet.HostDisconnected)
	waiting := r.Changed()
	pass(r, time.Second, deadAfter)
	wantState(t, r, "a", fleet.HostAway)
	select {
	case <-waiting:
	default:
		t.Error("nobody is told")
	}
	if died := pass(r, deadAfter-11*time.Second, deadAfter); died != nil {
		t.Errorf("%v died too early", died)
	}
	wantState(t, r, "a", fleet.HostAway)
	if diff := cmp.Diff([]string{"a"}, pass(r, time.Minute, deadAfter)); diff != "" {
		t.Errorf("died, each once (-want +got)\n%s", diff)
	}
	wantState(t, r, "a", fleet.HostDead)
	wantState(t, r, "b", fleet.HostOnline)
	if d := r.Doubt(); d != (fleet.Doubt{}) {
		t.Errorf("one host makes the control plane doubt itself: %+v", d)
	}

	pass(r, time.Second, time.Hour) // the setting is changed
	wantState(t, r, "a", fleet.HostAway)
	r.Connect("a", 2, noon(), 0)
	wantState(t, r, "a", fleet.HostOnline)
	r.Disconnect("a", 2, noon(), fleet.HostAway) // it fell silent, which took its time
	pass(r, time.Second, deadAfter)
	wantState(t, r, "a", fleet.HostAway)
	if died := pass(r, 24*time.Hour, 0); died != nil {
		t.Errorf("%v died although hosts never do", died)
	}
}

func TestHostsThatSaidWhyAreNeverDead(t *testing.T) {
	r := registry("a", "b", "c", "d")
	for id, state := range map[string]fleet.HostState{"a": fleet.HostAsleep, "b": fleet.HostStopped, "c": fleet.HostAsleep} {
		r.Disconnect(id, 1, noon(), state)
	}
	if died := pass(r, 3*deadAfter, deadAfter); died != nil {
		t.Errorf("%v died", died)
	}
	wantState(t, r, "a", fleet.HostAsleep)
	wantState(t, r, "b", fleet.HostStopped)
	if d := r.Doubt(); d != (fleet.Doubt{}) {
		t.Errorf("they make the control plane doubt itself: %+v", d)
	}
	r.Connect("a", 2, noon(), 0)
	wantState(t, r, "a", fleet.HostOnline)

	a, b := find(t, r, "a").Host, find(t, r, "b").Host // as they are stored
	b.Labels = map[string]string{"seen": "since"}
	r.Put(b)
	r = fleet.NewRegistry([]fleet.Host{a, find(t, r, "b").Host, find(t, r, "c").Host})
	if died := pass(r, 3*deadAfter, deadAfter); !cmp.Equal(died, []string{"a"}) {
		t.Errorf("%v died after a restart, want the one that was connected before", died)
	}
	wantState(t, r, "b", fleet.HostStopped)
	wantState(t, r, "c", fleet.HostAsleep)
}

func TestAFifthOfTheFleetAtOnceIsDoubted(t *testing.T) {
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprint("h", i)
	}
	lose := func(r *fleet.Registry, ids ...string) {
		for i, id := range ids {
			r.Disconnect(id, 1, noon(), []fleet.HostState{fleet.HostDisconnected, fleet.HostAway}[i%2])
			r.Pass(time.Second, deadAfter)
		}
	}
	r := registry(ids...)
	lose(r, ids[:3]...)
	if d := r.Doubt(); d.Missing != 0 {
		t.Fatalf("3 of 20 are doubted: %+v", d)
	}
	lose(r, ids[3])
	if d := r.Doubt(); d != (fleet.Doubt{Missing: 4, Of: 20}) {
		t.Fatalf("4 of 20 are not doubted: %+v", d)
	}
	if died := pass(r, 2*deadAfter-time.Minute, deadAfter); died != nil {
		t.Errorf("%v died on suspicion", died)
	}
	r.Connect(ids[0], 2, noon(), 0)
	r.Pass(time.Second, deadAfter)
	if d := r.Doubt(); d.Missing != 0 {
		t.Errorf("it does not end when hosts come back: %+v", d)
	}
	if died := pass(r, 2*time.Minute, deadAfter); len(died) != 3 {
		t.Errorf("%v died in the end, want the 3 that stayed away", died)
	}

	r = registry(ids...)
	for _, id := range ids[:8] { // one every minute
		r.Disconnect(id, 1, noon(), fleet.HostDisconnected)
		pass(r, time.Minute, deadAfter)
		if d := r.Doubt(); d.Missing != 0 {
			t.Fatalf("hosts that go one by one are doubted: %+v", d)
		}
	}

	r = registry("a", "b") // two are never too many, nor is a host that stays
	lose(r, "a", "b")
	if d := r.Doubt(); d.Missing != 0 {
		t.Errorf("two hosts are doubted: %+v", d)
	}
}
