package api

import (
	"encoding/json"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

func TestADecisionIsShown(t *testing.T) {
	f := start(t, relaytest.NoModels)
	got := f.Do(edge.Read, "GET", "/api/routing/decisions/r1-2a", "")
	var d fleet.Decision
	if err := json.Unmarshal([]byte(got.Body), &d); err != nil || got.Status != 200 || d.ID != "r1-2a" || d.Host != "alpha" {
		t.Errorf("%d %s: %v", got.Status, got.Body, err)
	}
	if got := f.Do(edge.Read, "GET", "/api/routing/decisions/r1-3", ""); got.Status != 404 {
		t.Errorf("one that is not there: %d %s", got.Status, got.Body)
	}
}
