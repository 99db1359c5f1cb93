package ollama

import (
	"fmt"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func changed(b *board) bool {
	select {
	case <-b.changed:
		return true
	default:
		return false
	}
}

func TestBoardSignalsChangesOnce(t *testing.T) {
	b := newBoard("default")
	b.state(wire.InstanceReady, "", "")
	b.update(func(i *wire.Instance) { i.Version = "1" })
	if !changed(b) || changed(b) {
		t.Error("two changes are not one signal")
	}
	b.update(func(i *wire.Instance) { i.Version = "1" })
	b.clear(CauseStalled)
	if changed(b) {
		t.Error("nothing changed, and it is signalled")
	}
	b.trouble(CauseStalled, "stalled")
	if !changed(b) {
		t.Error("a trouble is not signalled")
	}
	b.trouble(CauseStalled, "stalled")
	if changed(b) {
		t.Error("the same trouble is signalled again")
	}
	b.clear(CauseStalled)
	if !changed(b) {
		t.Error("the end of a trouble is not signalled")
	}
}

func TestBoardTellsTroublesOfARunningInstance(t *testing.T) {
	b := newBoard("default")
	b.state(wire.InstanceReady, "", "")
	b.trouble(CauseStalled, "stalled")
	b.trouble(CauseUnresponsive, "silent")
	want := func(state, reason, message string, serves bool) {
		t.Helper()
		i := b.snapshot()
		if i.State != state || i.Reason != reason || i.Message != message || b.serves() != serves {
			t.Errorf("%s, %s, %q, serves %v; want %s, %s, %q, %v", i.State, i.Reason, i.Message, b.serves(), state, reason, message, serves)
		}
	}
	want(wire.InstanceDegraded, "api_unresponsive", "silent", false)
	b.clear(CauseUnresponsive)
	want(wire.InstanceDegraded, "generation_stalled", "stalled", true)
	b.state(wire.InstanceStopped, "exited", "gone")
	want(wire.InstanceStopped, "exited", "gone", false)
	b.over()
	b.state(wire.InstanceReady, "", "")
	want(wire.InstanceReady, "", "", true)
}

func TestSnapshotSharesNothing(t *testing.T) {
	b := newBoard("default")
	b.update(func(i *wire.Instance) {
		i.Models, i.Loaded = []wire.Model{{Name: "a"}}, []wire.LoadedModel{{Name: "a"}}
	})
	for n := range 12 {
		b.restarted(wire.Restart{Message: fmt.Sprint(n)})
	}
	s := b.snapshot()
	if s.RestartCount != 12 || len(s.Restarts) != keptRestarts || s.Restarts[9].Message != "11" {
		t.Errorf("%d restarts, told %v; want 12 and the last ten", s.RestartCount, s.Restarts)
	}
	s.Models[0].Name, s.Loaded[0].Name, s.Restarts[0].Message = "b", "b", "b"
	if s := b.snapshot(); s.Models[0].Name != "a" || s.Loaded[0].Name != "a" || s.Restarts[0].Message != "2" {
		t.Errorf("a change of one snapshot is seen in the next: %+v", s)
	}
}
