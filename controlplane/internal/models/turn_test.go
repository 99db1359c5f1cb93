package models

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// operation returns the latest operation of a kind on a host, an empty one where there is
// none.
func (b *bench) operation(kind fleet.OperationKind, model, host string) fleet.Operation {
	for _, o := range b.ops.List() {
		if o.Kind == kind && o.Host == host && fleet.SameModel(o.Model, model) {
			return o
		}
	}
	return fleet.Operation{}
}

// waits checks what an operation waits for.
func (b *bench) waits(o fleet.Operation, reason fleet.WaitReason, message string) {
	b.t.Helper()
	if o.State != fleet.OperationWaiting || o.Reason != reason || o.Message != message {
		b.t.Errorf("%s of %s on %s is %+v, and should wait for %q: %s", o.Kind, o.Model, o.Host, o, reason, message)
	}
}

// wants has hosts get a model.
func (b *bench) wants(model string, w Where) {
	b.t.Helper()
	if _, err := b.Want(b.t.Context(), model, w); err != nil {
		b.t.Fatal(err)
	}
}

// occupied has all that is done on hosts take until let is closed. begun hears of each.
func (h *hosts) occupied(t *testing.T) (begun <-chan string, let func()) {
	began, free := make(chan string, 100), make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work = func(to fleet.Target, job work.Job) error {
		select {
		case <-free:
		default:
			began <- job.Model + " on " + to.Host
			<-free
		}
		return nil
	}
	let = sync.OnceFunc(func() { close(free) })
	t.Cleanup(let)
	return began, let
}

func TestEachHostHasAnOperationFromTheBeginning(t *testing.T) {
	h := newHosts("a", "b", "c")
	h.views["b"].State = fleet.HostAsleep
	h.views["c"].Instances[0].State = fleet.InstanceStarting
	b := newBench(t, newShelf(), h)
	begun, let := h.occupied(t)
	b.take("big", "GGUF big")
	b.take("tiny", "GGUF one")
	b.wants("big", Where{Hosts: []string{"a"}})
	<-begun
	b.wants("tiny", Where{Hosts: []string{"a", "b", "c"}})
	onA := b.operation(fleet.DownloadOperation, "tiny", "a")
	b.waits(onA, fleet.WaitsForTurn, "the host is busy with the model big:latest")
	b.waits(b.operation(fleet.DownloadOperation, "tiny", "b"), fleet.WaitsForHost, "the host is asleep")
	b.waits(b.operation(fleet.DownloadOperation, "tiny", "c"), fleet.WaitsForOllama, "the host's Ollama is not ready")
	let()
	b.awaitOn("tiny", "a")
	b.await("the operation that waited is the one that was done", func() bool {
		o := b.operation(fleet.DownloadOperation, "tiny", "a")
		return o.ID == onA.ID && o.State == fleet.OperationDone && o.Reason == "" && o.Attempts == 1
	})
	h.set("b", func(v *fleet.HostView) { v.State = fleet.HostAway })
	b.await("it is told that the host is away now", func() bool {
		return b.operation(fleet.DownloadOperation, "tiny", "b").Message == "the host is away"
	})
}

func TestMoreHostsThanAreServedAtATimeWait(t *testing.T) {
	var names []string
	for i := range maxAtOnce + 1 {
		names = append(names, fmt.Sprintf("h%02d", i))
	}
	h := newHosts(names...)
	b := newBench(t, newShelf(), h)
	begun, let := h.occupied(t)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{All: true})
	for range maxAtOnce {
		<-begun
	}
	last := names[maxAtOnce] // they are served by their names
	b.await("the last one waits for the others", func() bool {
		return b.operation(fleet.DownloadOperation, "tiny", last).Reason == fleet.WaitsForOthers
	})
	let()
	b.awaitOn("tiny", names...)
}

func TestWhatWaitsOutlivesARestart(t *testing.T) {
	h := newHosts("a")
	h.views["a"].State = fleet.HostAway
	shelf := newShelf()
	b := newBench(t, shelf, h)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{Hosts: []string{"a"}})
	before := b.operation(fleet.DownloadOperation, "tiny", "a")
	b.stop()
	b = newBench(t, shelf, h)
	after := b.operation(fleet.DownloadOperation, "tiny", "a")
	if after.ID != before.ID {
		t.Errorf("before the restart it was %+v, after it %+v", before, after)
	}
	b.waits(after, fleet.WaitsForHost, "the host is away")
	h.set("a", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.awaitOn("tiny", "a")
	if n := len(b.ops.List()); n != 2 { // the other one has stored it
		t.Errorf("there are %d operations: %+v", n, b.ops.List())
	}
}

func TestWhatWaitsCanBeCancelled(t *testing.T) {
	h := newHosts("a", "b")
	h.views["b"].State = fleet.HostAway
	shelf := newShelf()
	b := newBench(t, shelf, h)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{Hosts: []string{"a", "b"}})
	b.awaitOn("tiny", "a")
	waiting := b.operation(fleet.DownloadOperation, "tiny", "b")
	if o, err := b.ops.Cancel(t.Context(), waiting.ID); err != nil || o.State != fleet.OperationCancelled {
		t.Fatalf("%+v, %v", o, err)
	}
	b.stop()
	b = newBench(t, shelf, h) // nor does a restart bring it back
	h.set("b", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if on := b.WantedOn("tiny"); len(on) != 1 || on[0] != "id-a" {
		t.Errorf("it is wanted on %v", on)
	}
	if o := b.operation(fleet.DownloadOperation, "tiny", "b"); o.ID != waiting.ID {
		t.Errorf("there is another operation: %+v", o)
	}
}

func TestOneThatIsForAllHostsIsLeftUndoneWhereItIsCancelled(t *testing.T) {
	h := newHosts("a")
	h.views["a"].State = fleet.HostAway
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{All: true})
	waiting := b.operation(fleet.DownloadOperation, "tiny", "a")
	if _, err := b.ops.Cancel(t.Context(), waiting.ID); err != nil {
		t.Fatal(err)
	}
	h.set("a", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if jobs := h.done(); len(jobs) != 0 {
		t.Errorf("done is %v", jobs)
	}
	b.wants("tiny", Where{All: true})
	b.awaitOn("tiny", "a")
}

func TestWhatNobodyWantsAnyMoreIsNotWaitedFor(t *testing.T) {
	h := newHosts("a")
	h.views["a"].State = fleet.HostAway
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{Hosts: []string{"a"}})
	if err := b.Delete(t.Context(), "tiny", Deletion{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.waits(b.operation(fleet.DeleteOperation, "tiny", "a"), fleet.WaitsForHost, "the host is away")
	b.await("the download has ended", func() bool {
		return b.operation(fleet.DownloadOperation, "tiny", "a").State == fleet.OperationCancelled
	})
	if _, err := b.ops.Cancel(t.Context(), b.operation(fleet.DeleteOperation, "tiny", "a").ID); err != nil {
		t.Fatal(err)
	}
	h.set("a", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if jobs := h.done(); len(jobs) != 0 {
		t.Errorf("done is %v", jobs)
	}
}

func TestWhatComesToBeSoByItselfIsDone(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.take("big", "GGUF big")
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{Hosts: []string{"a"}})
	b.awaitOn("tiny", "a")
	b.await("its operation has ended", func() bool { return b.model("tiny").Digest != "" && len(b.ops.UnderWay()) == 0 })
	b.clock.pass(time.Second) // so that the next one is the latest
	begun, _ := h.occupied(t)
	b.wants("big", Where{Hosts: []string{"a"}})
	<-begun
	var has []fleet.HostModel
	h.set("a", func(v *fleet.HostView) { has, v.Instances[0].Models = v.Instances[0].Models, nil })
	b.await("it waits", func() bool {
		return b.operation(fleet.DownloadOperation, "tiny", "a").Reason == fleet.WaitsForTurn
	})
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = has })
	b.await("it is done", func() bool {
		o := b.operation(fleet.DownloadOperation, "tiny", "a")
		return o.State == fleet.OperationDone && o.Attempts == 0
	})
}

func TestWhatAHostDoesNotTellOfYetIsNotDoneAgain(t *testing.T) {
	h := newHosts("a")
	late := make(chan func(), 10)
	h.late = late
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{Hosts: []string{"a"}})
	tell := <-late
	b.await("it is known what the host has", func() bool { return b.model("tiny").Digest != "" })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if o := b.operation(fleet.DownloadOperation, "tiny", "a"); o.State != fleet.OperationRunning {
		t.Errorf("before the host tells of it, it is %+v", o)
	}
	tell()
	b.await("it is done", func() bool { return b.operation(fleet.DownloadOperation, "tiny", "a").State == fleet.OperationDone })
	b.take("third", "GGUF three")
	if jobs := h.done(); len(jobs) != 1 {
		t.Errorf("done is %v", jobs)
	}
}
