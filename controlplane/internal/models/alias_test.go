package models

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// aliased gives a model these aliases.
func (b *bench) aliased(model string, move bool, aliases ...string) ([]string, error) {
	b.t.Helper()
	return b.Describe(b.t.Context(), model, Patch{Aliases: append([]string{}, aliases...), MoveAliases: move})
}

// served checks which aliases the hosts' requests are found by.
func (b *bench) served(want fleet.Aliases) {
	b.t.Helper()
	b.hosts.mu.Lock()
	defer b.hosts.mu.Unlock()
	if diff := cmp.Diff(want, b.hosts.aliases); diff != "" {
		b.t.Errorf("aliases (-want +got)\n%s", diff)
	}
}

func TestAnAliasMovesInOneStep(t *testing.T) {
	shelf := newShelf()
	b := newBench(t, shelf, newHosts())
	b.take("tiny:q4", "GGUF one")
	b.take("tiny:q8", "GGUF two")
	if lost, err := b.aliased("tiny:q4", false, "Prod", "stage", "prod:latest"); err != nil || len(lost) != 0 {
		t.Fatalf("%v, %v", lost, err)
	}
	if m := b.model("tiny:q4"); !slices.Equal(m.Aliases, []string{"Prod:latest", "stage:latest"}) {
		t.Errorf("it has the aliases %q", m.Aliases)
	}
	if _, err := b.aliased("tiny:q8", false, "prod"); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "tiny:q4") {
		t.Errorf("taken without a word: %v", err)
	}
	if lost, err := b.aliased("tiny:q8", true, "PROD"); err != nil || !slices.Equal(lost, []string{"tiny:q4"}) {
		t.Errorf("%v, %v", lost, err)
	}
	want := fleet.Aliases{"prod:latest": {Name: "PROD:latest", Model: "tiny:q8"}, "stage:latest": {Name: "stage:latest", Model: "tiny:q4"}}
	b.served(want)
	b.stop()
	b = newBench(t, shelf, newHosts())
	b.served(want) // after a restart, too
	if err := b.Delete(t.Context(), "tiny:q8", Deletion{}); err != nil {
		t.Fatal(err)
	}
	delete(want, "prod:latest")
	b.served(want)
	if _, err := b.aliased("tiny:q4", false, "prod"); err != nil {
		t.Errorf("the alias of a deleted model is not free: %v", err)
	}
	if _, err := b.aliased("tiny:q4", false); err != nil {
		t.Error(err)
	}
	b.served(fleet.Aliases{})
}

func TestNamesThatCannotBeAliases(t *testing.T) {
	h := newHosts("a")
	h.views["a"].Instances[0].Models = []fleet.HostModel{{Name: "byhand:latest", Digest: "x"}}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.take("other", "GGUF two")
	b.take("gone", "GGUF gone")
	if err := b.Delete(t.Context(), "gone", Deletion{}); err != nil {
		t.Fatal(err)
	}
	var many []string
	for range maxAliases + 1 {
		many = append(many, "x")
	}
	for _, c := range []struct {
		model   string
		aliases []string
		kind    fault.Kind
		says    string
	}{
		{"tiny", []string{"Other"}, fault.Conflict, `there is a model "other:latest"`},
		{"tiny", []string{"tiny"}, fault.Conflict, `there is a model "tiny:latest"`},
		{"tiny", []string{"byhand"}, fault.Conflict, `the host "a" has a model`},
		{"gone", []string{"fine"}, fault.Conflict, `is deleted`},
		{"tiny", []string{"no name"}, fault.Invalid, `"no name"`},
		{"tiny", many, fault.Invalid, `101 names`},
		{"none", []string{"fine"}, fault.NotFound, `no model "none"`},
	} {
		if _, err := b.aliased(c.model, true, c.aliases...); fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s as %q: %v, want %v: %s", c.model, c.aliases, err, c.kind, c.says)
		}
	}
	b.served(fleet.Aliases{})
}

func TestAnAliasIsKeptFromModels(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.aliased("tiny", false, "prod"); err != nil {
		t.Fatal(err)
	}
	if err := b.Take(t.Context(), b.parcel("Prod", "m.gguf", "GGUF two")); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a model of that name is stored: %v", err)
	}
	if err := b.CheckName("prod:latest"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("nobody says so before: %v", err)
	}
	if m := b.model("prod"); m.Status != "" {
		t.Errorf("it is listed as %+v", m)
	}
	// Somebody makes one on a host.
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = []fleet.HostModel{{Name: "prod:latest", Digest: "x"}} })
	if m := b.model("prod"); len(m.Problems) != 1 || !strings.Contains(m.Problems[0], "alias of the model tiny:latest") {
		t.Errorf("it is listed as %+v", m)
	}
	if _, err := b.aliased("tiny", false, "prod", "stage"); err != nil { // what it has it keeps
		t.Error(err)
	}
}
