package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// Breakers has one, of a model on alpha.
func (f *fixture) Breakers() []fleet.Breaker {
	return []fleet.Breaker{{
		HostID: "h1", Host: "alpha", Instance: "default", Model: "tiny:latest", State: fleet.BreakerOpen, Since: noon(), FailuresInARow: 5, Failures: 6,
		Successes: 1, LastKind: "refused", LastError: "the host could not be reached", LastErrorAt: noon(), NextProbeAt: noon(),
	}}
}

// ResetBreakers notes which are to be closed.
func (f *fixture) ResetBreakers(which fleet.BreakerFilter) int {
	f.reset = append(f.reset, which)
	return 1
}

func TestBreakers(t *testing.T) {
	f := start(t, relaytest.NoModels)
	got := f.Do(edge.Read, "GET", "/api/routing/breakers", "")
	want := `[{"host_id":"h1","host":"alpha","instance":"default","model":"tiny:latest","state":"open","since":"2026-03-01T12:00:00Z",` +
		`"failures_in_a_row":5,"failures":6,"successes":1,"last_kind":"refused","last_error":"the host could not be reached",` +
		`"last_error_at":"2026-03-01T12:00:00Z","next_probe_at":"2026-03-01T12:00:00Z"}]`
	if got.Status != 200 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestBreakersAreResetAsFarAsTheBodyNamesThem(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, body := range []string{``, `{}`, `{"host":"alpha"}`, `{"host":"h1","instance":"default","model":"tiny"}`, `{"model":"tiny"}`} {
		if got := f.Do(edge.Operate, "POST", "/api/routing/breakers/reset", body); got.Status != 200 || got.Body != `{"closed":1}` {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	want := []fleet.BreakerFilter{{}, {}, {HostID: "h1"}, {HostID: "h1", Instance: "default", Model: "tiny"}, {Model: "tiny"}}
	if diff := cmp.Diff(want, f.reset); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"host":"nobody"}`: {404, "nobody"},
		`{"host":7}`:        {400, `\"host\"`},
		`[]`:                {400, "list"},
	} {
		if got := f.Do(edge.Operate, "POST", "/api/routing/breakers/reset", body); got.Status != want.status || !strings.Contains(got.Body, want.says) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	if len(f.reset) != 5 {
		t.Errorf("what was refused reset %v", f.reset[5:])
	}
}
