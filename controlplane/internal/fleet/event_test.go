package fleet_test

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestTheLatestEventsAreKept(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	events := fleet.NewEvents(func() time.Time { return now })
	if list := events.After(0, 10); list == nil || len(list) != 0 {
		t.Errorf("at first there are %v", list)
	}
	for range 1500 {
		events.Add(fleet.Event{Type: "storage_state", Subject: "a"})
	}
	all := events.After(0, 5000)
	if len(all) != 1000 || all[0].ID+999 != all[999].ID || !all[0].At.Equal(now) {
		t.Fatalf("%d events from %+v on", len(all), all[0])
	}
	if some := events.After(all[997].ID, 10); len(some) != 2 || some[0].ID != all[998].ID {
		t.Errorf("after the last but two there are %v", some)
	}
	if latest := events.After(0, 3); len(latest) != 3 || latest[2].ID != all[999].ID {
		t.Errorf("the latest three are %v", latest)
	}
	now = now.Add(time.Second)
	if later := fleet.NewEvents(func() time.Time { return now }); later.After(all[999].ID, 1) == nil {
		t.Error("no list")
	} else if later.Add(fleet.Event{}); later.After(all[999].ID, 1)[0].ID <= all[999].ID {
		t.Error("the ids start again with the program")
	}
}
