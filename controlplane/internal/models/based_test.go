package models

import (
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// tune takes an adapter for a model.
func (b *bench) tune(name, base string) {
	b.t.Helper()
	p := b.parcel(name, "lora.gguf", "GGUF of "+name)
	p.Options = loader.Options{From: base}
	if err := b.Take(b.t.Context(), p); err != nil {
		b.t.Fatal(err)
	}
}

// downloading returns the operation that brings a model to a host.
func (b *bench) downloading(model string) fleet.Operation {
	for _, o := range b.ops.List() {
		if fleet.SameModel(o.Model, model) && o.Kind == fleet.DownloadOperation {
			return o
		}
	}
	return fleet.Operation{}
}

func TestWhatAModelIsBasedOnComesFirst(t *testing.T) {
	h := newHosts("a", "b")
	b := newBench(t, newShelf(), h)
	b.take("base", "GGUF one")
	if _, err := b.aliased("base", false, "prod"); err != nil {
		t.Fatal(err)
	}
	b.tune("tuned", "Prod:latest")
	b.tune("further", "tuned:latest")
	if _, err := b.Want(t.Context(), "further", Where{Hosts: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("further", "b")
	want := []string{"load base:latest on b", "load tuned:latest on b", "load further:latest on b"}
	if got := h.done(); !slices.Equal(got, want) {
		t.Errorf("done are %q, want %q", got, want)
	}
	// What was brought for it may go again to make room, and nobody brings it back for that.
	b.mu.RLock()
	p := b.placed[place{"base:latest", "id-b", "default"}]
	b.mu.RUnlock()
	if !p.Wanted || !p.Cached {
		t.Errorf("the base is there as %+v", p)
	}
	// A host that has the base is better than one that is empty.
	if hosts, err := b.Want(t.Context(), "tuned", Where{Count: 1}); err != nil || hosts[0].Name != "b" {
		t.Errorf("the placement takes %v, %v", hosts, err)
	}
}

// An Ollama knows what a model is based on by the very name that it has there.
func TestWhatAModelIsBasedOnIsCalledAsOnTheHost(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.take("Team/Base:Q4", "GGUF one")
	b.tune("tuned", "team/base:q4")
	froms := make(chan string, 2)
	h.work = func(_ fleet.Target, job work.Job) error {
		if job.Model == "tuned:latest" {
			froms <- job.Recipe.From
		}
		return nil
	}
	if _, err := b.Want(t.Context(), "tuned", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tuned", "a")
	if from := <-froms; from != "Team/Base:Q4" {
		t.Errorf("it is made of %q", from)
	}
}

func TestAModelWaitsForWhatItIsBasedOn(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.tune("tuned", "theirs")
	if _, err := b.Want(t.Context(), "tuned", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.await("it waits and says for what", func() bool {
		o := b.downloading("tuned")
		return o.State == fleet.OperationWaiting && strings.Contains(o.Error, `"theirs:latest", which neither`)
	})
	// Somebody pulls it there.
	h.set("a", func(v *fleet.HostView) {
		v.Instances[0].Models = append(v.Instances[0].Models, fleet.HostModel{Name: "theirs:latest", Digest: "d"})
	})
	b.await("it is made", func() bool { return len(b.model("tuned").Residencies) == 1 })
}

func TestABaseThatDoesNotGetThere(t *testing.T) {
	h := newHosts("a")
	h.work = func(_ fleet.Target, job work.Job) error {
		if job.Model == "base:latest" {
			return fault.New(fault.Corrupt, "its bytes are others")
		}
		return nil
	}
	b := newBench(t, newShelf(), h)
	b.take("base", "GGUF one")
	b.tune("tuned", "base")
	if _, err := b.Want(t.Context(), "tuned", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.await("it says that the base has not got there", func() bool {
		o := b.downloading("tuned")
		return o.State == fleet.OperationWaiting && strings.Contains(o.Error, "has not got to this host")
	})
	h.set("a", func(*fleet.HostView) { h.work = nil })
	if _, err := b.ops.Retry(t.Context(), b.downloading("base").ID); err != nil {
		t.Fatal(err)
	}
	b.await("both are there", func() bool { return len(b.model("tuned").Residencies) == 1 })
}

func TestABaseThatIsAnotherOne(t *testing.T) {
	h := newHosts("a", "b")
	h.views["b"].Instances[0].Models = []fleet.HostModel{{Name: "base:latest", Digest: "somebody's"}}
	b := newBench(t, newShelf(), h)
	b.take("base", "GGUF one")
	if _, err := b.Want(t.Context(), "base", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.await("the base is known", func() bool { m, err := b.Stored("base"); return err == nil && m.Digest != "" })
	b.tune("tuned", "base")
	if _, err := b.Want(t.Context(), "tuned", Where{Hosts: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tuned", "a")
	b.await("the other host says why not", func() bool {
		return slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool {
			return o.Host == "b" && o.State == fleet.OperationFailed && strings.Contains(o.Error, "another model of that name")
		})
	})
}

func TestAModelIsNotBasedOnItself(t *testing.T) {
	b := newBench(t, newShelf(), newHosts("a"))
	b.tune("one", "two")
	for _, name := range []string{"two", "self"} {
		p := b.parcel(name, "lora.gguf", "GGUF of "+name)
		p.Options = loader.Options{From: map[string]string{"two": "one", "self": "SELF:latest"}[name]}
		if err := b.Take(t.Context(), p); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "itself") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatAnotherOllamaMakesOtherwise has two versions of Ollama make different models of
// the same files: that is a conflict, which is shown, and nothing that is made again and
// again.
func TestWhatAnotherOllamaMakesOtherwise(t *testing.T) {
	h := newHosts("a", "b")
	h.views["b"].Instances[0].Version = "0.30.1"
	h.makes = func(to fleet.Target, digest string) string { return digest + " by " + to.Host }
	shelf := newShelf()
	b := newBench(t, shelf, h)
	b.take("tiny", "GGUF one")
	for _, host := range []string{"a", "b"} {
		if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{host}}); err != nil {
			t.Fatal(err)
		}
		b.await("it is on "+host, func() bool {
			return slices.ContainsFunc(b.model("tiny").Residencies, func(r fleet.Residency) bool { return r.Host == host }) && b.model("tiny").Progress == nil
		})
	}
	settled := func() {
		t.Helper()
		b.take("other", "GGUF two") // everything has been looked at again since
		if _, err := b.Want(t.Context(), "other", Where{Hosts: []string{"a", "b"}}); err != nil {
			t.Fatal(err)
		}
		b.await("both have the other one", func() bool {
			m := b.model("other")
			return len(m.Residencies) == 2 && m.Progress == nil && len(m.Digests) == 2
		})
		n := 0
		for _, job := range h.done() {
			if strings.Contains(job, "tiny") {
				n++
			}
		}
		if n != 2 {
			t.Errorf("done are %q", h.done())
		}
	}
	settled()
	first := "digest of " + digestOf([]byte("GGUF one"))[:8] + " by a"
	h.mu.Lock()
	preferred := h.preferred["tiny:latest"]
	h.mu.Unlock()
	if m := b.model("tiny"); m.Digest != first || preferred != first || !m.Conflict || len(m.Digests) != 2 || len(m.Notes) != 1 {
		t.Errorf("it is %+v, and calls go to %q", m, preferred)
	}
	b.stop()
	b = newBench(t, shelf, h) // nor does a restart have it made again
	settled()
	// What the catalogue gets in its place is brought to both.
	b.take("tiny", "GGUF three")
	b.await("both have the new one", func() bool {
		m := b.model("tiny")
		return len(m.Digests) == 2 && m.Digest != first && !slices.ContainsFunc(m.Digests, func(d string) bool { return strings.HasPrefix(first, d[:18]) })
	})
}
