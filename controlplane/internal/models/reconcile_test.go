package models

import (
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

func TestFailuresOnHosts(t *testing.T) {
	h := newHosts("a")
	var fails error = fault.New(fault.Unavailable, "the source is away")
	h.work = func(fleet.Target, work.Job) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		return fails
	}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	operation := func() fleet.Operation {
		for _, o := range b.ops.List() {
			if o.Kind == fleet.DownloadOperation {
				return o
			}
		}
		return fleet.Operation{}
	}
	b.await("it waits to be tried again", func() bool { return operation().State == fleet.OperationWaiting && operation().Error != "" })
	if m := b.model("tiny"); len(m.Problems) != 1 || m.Progress == nil {
		t.Errorf("the model is %+v", m)
	}
	h.set("a", func(*fleet.HostView) { fails = fault.New(fault.Conflict, "somebody else's model is there") })
	if _, err := b.ops.Retry(t.Context(), operation().ID); err != nil {
		t.Fatal(err)
	}
	b.await("it has failed", func() bool { return operation().State == fleet.OperationFailed })
	before := len(h.done())
	b.clock.pass(collectEvery / 2) // longer than any pause, and before the host has anything else to do
	h.set("a", func(v *fleet.HostView) { v.ConnectedAt = noon().Add(collectEvery / 2); fails = nil })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if n := len(h.done()); n != before {
		t.Errorf("tried %d times more", n-before)
	}
	if _, err := b.ops.Retry(t.Context(), operation().ID); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a")
}

// getting returns a service of which the host "a" is just getting the model "tiny", which
// ends when let is closed.
func getting(t *testing.T) (h *hosts, b *bench, let chan struct{}) {
	t.Helper()
	begun, let := make(chan struct{}), make(chan struct{})
	h = newHosts("a")
	h.work = func(fleet.Target, work.Job) error {
		close(begun)
		<-let
		return nil
	}
	b = newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	<-begun
	return h, b, let
}

func TestAJobThatSomebodyCancels(t *testing.T) {
	h, b, let := getting(t)
	for _, o := range b.ops.List() {
		if o.Kind == fleet.DownloadOperation {
			if _, err := b.ops.Cancel(t.Context(), o.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(let)
	cancelled := ""
	b.await("it is cancelled", func() bool {
		for _, o := range b.ops.List() {
			if o.State == fleet.OperationCancelled {
				cancelled = o.ID
			}
		}
		return cancelled != ""
	})
	if m := b.model("tiny"); len(m.WantedOn) != 0 {
		t.Errorf("the model is still wanted on %v", m.WantedOn)
	}
	h.set("a", func(*fleet.HostView) { h.work = nil })
	retried, err := b.ops.Retry(t.Context(), cancelled)
	if err != nil || retried.ID == cancelled || retried.Kind != fleet.DownloadOperation {
		t.Fatalf("it is tried again as %+v, %v", retried, err)
	}
	b.awaitOn("tiny", "a")
	b.await("the operation that tried again is done", func() bool {
		o, err := b.ops.Get(retried.ID)
		return err == nil && o.State == fleet.OperationDone
	})
	if _, err := b.ops.Retry(t.Context(), cancelled); fault.KindOf(err) != fault.Conflict {
		t.Errorf("of what is there: %v", err)
	}
	if err := b.Delete(t.Context(), "tiny", Deletion{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ops.Retry(t.Context(), cancelled); fault.KindOf(err) != fault.Conflict {
		t.Errorf("of what is to go: %v", err)
	}
}

func TestADownloadThatIsCancelledWhileItWaits(t *testing.T) {
	h := newHosts("a")
	h.work = func(fleet.Target, work.Job) error { return fault.New(fault.Unavailable, "the source is away") }
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	waiting := ""
	b.await("it waits to be tried again", func() bool {
		for _, o := range b.ops.List() {
			if o.Kind == fleet.DownloadOperation && o.State == fleet.OperationWaiting && o.Error != "" {
				waiting = o.ID
			}
		}
		return waiting != ""
	})
	if _, err := b.ops.Cancel(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	if m := b.model("tiny"); len(m.WantedOn) != 0 {
		t.Errorf("the model is still wanted on %v", m.WantedOn)
	}
	loads := func() (n int) { // an hour later the host also looks for what no model refers to
		for _, job := range h.done() {
			if strings.HasPrefix(job, string(work.Load)) {
				n++
			}
		}
		return n
	}
	before := loads()
	b.clock.pass(time.Hour)
	h.set("a", func(*fleet.HostView) { h.work = nil })
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil { // somebody wants it again
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a")
	if n := loads(); n != before+1 {
		t.Errorf("tried %d times more", n-before)
	}
}

// What is to go is not fetched to its end first.
func TestAModelThatIsDeletedWhileAHostGetsIt(t *testing.T) {
	h, b, let := getting(t)
	if err := b.Delete(t.Context(), "tiny", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	close(let)
	b.await("it is gone", func() bool { return b.model("tiny").Status == "" && len(b.ops.UnderWay()) == 0 })
	if jobs := h.done(); len(jobs) != 1 {
		t.Errorf("the host did %v", jobs)
	}
	if keys := b.shelf.keys(); len(keys) != 0 {
		t.Errorf("left over in the storage: %v", keys)
	}
	for _, o := range b.ops.List() {
		if o.Kind == fleet.DownloadOperation && o.State != fleet.OperationCancelled {
			t.Errorf("%+v", o)
		}
	}
}
