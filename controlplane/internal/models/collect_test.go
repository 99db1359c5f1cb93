package models

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestHostsLookForWhatNoModelRefersTo(t *testing.T) {
	h := newHosts("a", "b")
	h.views["b"].State = fleet.HostAway
	b := newBench(t, newShelf(), h)
	b.mu.Lock()
	b.runs[place{hostID: "id-a", instance: "default"}] = &run{notUntil: noon().Add(collectEvery)} // it has come a moment ago
	b.mu.Unlock()
	for n := range 2 {
		b.clock.pass(collectEvery)
		b.wake()
		b.await("the host that is there has looked", func() bool { return len(h.done()) == n+1 && !b.looking("id-a") })
	}
	for _, job := range h.done() {
		if job != "collect  on a" {
			t.Errorf("done was %q", job)
		}
	}
}
