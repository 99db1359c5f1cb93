package models

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestAHostThatHasMoreThanItMayLetsGoOfWhatWasUsedLeast(t *testing.T) {
	h := newHosts("a")
	h.views["a"].Instances[0].Models = []fleet.HostModel{{Name: "by-hand:latest", Digest: "x", SizeBytes: 10}}
	b := newBench(t, newShelf(), h)
	b.uses = []fleet.LastUse{
		{Model: "old", HostID: "id-a", At: noon().Add(2 * time.Hour)},
		{Model: "loaded", HostID: "id-a", At: noon().Add(time.Hour)},
		{Model: "recent", HostID: "id-a", At: noon().Add(3 * time.Hour)},
		{Model: "asked", HostID: "id-a", At: noon()},
	}
	b.recent = []fleet.LastUse{{Model: "working", HostID: "id-a", At: noon().Add(-unseen / 2)}} // its host has not told yet that it is loaded
	names := []string{"old", "loaded", "recent", "pinned", "working"}
	for _, name := range names {
		b.take(name, "GGUF "+name+strings.Repeat(".", 15-len(name))) // 20 bytes each
		if _, err := b.Want(t.Context(), name, Where{}); err != nil {
			t.Fatal(err)
		}
	}
	b.take("asked", "GGUF asked..........")
	if _, err := b.Want(t.Context(), "asked", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	yes := true
	if _, err := b.Describe(t.Context(), "pinned", Patch{Pinned: &yes}); err != nil {
		t.Fatal(err)
	}
	has := func() (list []string) {
		for _, m := range h.Hosts()[0].Instances[0].Models {
			list = append(list, strings.TrimSuffix(m.Name, ":latest"))
		}
		slices.Sort(list)
		return list
	}
	settled := func(want ...string) func() bool {
		return func() bool {
			return slices.Equal(has(), want) && !slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return !o.State.Ended() })
		}
	}
	b.await("all are there", settled("asked", "by-hand", "loaded", "old", "pinned", "recent", "working"))
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Loaded = []fleet.LoadedModel{{Name: "loaded:latest"}} })
	b.cache.Store(115) // of 130
	b.wake()
	b.await("the one goes that was used least, of those that may", settled("asked", "by-hand", "loaded", "pinned", "recent", "working"))
	b.cache.Store(1)
	b.wake()
	b.await("what nobody may take away stays", settled("asked", "by-hand", "loaded", "pinned", "working"))
	if m := b.model("recent"); m.Status != fleet.ModelStored || len(m.WantedOn) != 0 {
		t.Errorf("what went is %+v", m)
	}
	b.clock.pass(unseen)
	b.wake()
	b.await("what was at work a while ago goes as well", settled("asked", "by-hand", "loaded", "pinned"))
}
