package api

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// Lines has one, of a model that three wait for.
func (f *fixture) Lines() []fleet.Line {
	return []fleet.Line{{Model: "tiny", Digest: "118367098b99", Places: 4, Serving: 4, Waiting: 3}}
}

func TestQueues(t *testing.T) {
	f := start(t, relaytest.NoModels)
	got := f.Do(edge.Read, "GET", "/api/routing/queues", "")
	want := `[{"model":"tiny","digest":"118367098b99","places":4,"serving":4,"waiting":3}]`
	if got.Status != 200 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
