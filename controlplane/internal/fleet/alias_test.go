package fleet_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestAnAliasIsOneMoreNameOfItsModel(t *testing.T) {
	r := registry("h1", "h2")
	r.Report("h1", 1, noon(), []fleet.Instance{ready("a", model("tiny:q4", "d1", 1), model("prod:latest", "d9", 1))})
	r.Report("h2", 1, noon(), []fleet.Instance{ready("a", model("tiny:q4", "d1", 1), model("large", "d2", 1))})
	r.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "Prod:latest", Model: "tiny:q4"}})
	for _, ref := range []string{"prod", "PROD:latest", "library/prod", "prod@sha256:d1", "tiny:q4"} {
		wantHolders(t, r, ref, "h1/a", "h2/a")
	}
	wantHolders(t, r, fleet.ModelID("prod"), "h1/a") // the one that the host has by itself
	r.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "Prod:latest", Model: "large:latest"}})
	wantHolders(t, r, "prod", "h2/a")
	r.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "Prod:latest", Model: "gone:latest"}})
	wantHolders(t, r, "prod")
	r.Prefer(nil, nil)
	wantHolders(t, r, "prod", "h1/a")
}

func TestWhatIsServed(t *testing.T) {
	models := []fleet.Model{{ID: "m_1", Name: "large:latest", Digest: "d2"}, {ID: "m_2", Name: "prod:latest", Digest: "d9"}, {ID: "m_3", Name: "tiny:q4", Digest: "d1"}}
	aliases := fleet.Aliases{"prod:latest": {Name: "Prod:latest", Model: "tiny:q4"}, "a:1": {Name: "A:1", Model: "tiny:q4"}, "b:1": {Name: "b:1", Model: "gone:latest"}}
	want := []fleet.Model{
		{ID: fleet.ModelID("a:1"), Name: "A:1", Digest: "d1"},
		{ID: "m_1", Name: "large:latest", Digest: "d2"},
		{ID: fleet.ModelID("prod"), Name: "Prod:latest", Digest: "d1"},
		{ID: "m_3", Name: "tiny:q4", Digest: "d1"},
	}
	if diff := cmp.Diff(want, aliases.Served(models)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(models, fleet.Aliases(nil).Served(models)); diff != "" {
		t.Errorf("without aliases (-want +got)\n%s", diff)
	}
	for name, of := range map[string]string{"PROD": "tiny:q4", "tiny:q4": "tiny:q4", "prod@sha256:d9": "prod@sha256:d9", "m_2": "m_2"} {
		if got := aliases.Of(name); got != of {
			t.Errorf("%s stands for %s, want %s", name, got, of)
		}
	}
}
