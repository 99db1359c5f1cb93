package router

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
)

// failing returns a lab whose hosts h1 and h2 fail, each often enough to be left
// alone with this model.
func failing(t *testing.T, model string) *lab {
	t.Helper()
	failed, _ := says(500, `{"error":"llama runner process has terminated"}`, nil)
	l := newLab(&hosts{fails: map[string]func() (*fleet.Answer, error){"h1": failed, "h2": failed}})
	l.join("h2", tiny())
	l.join("h1", tiny())
	for range breaker.Defaults().Run {
		if answer, err := l.Forward(t.Context(), model, chatCall()); err == nil {
			answer.Body.Close()
		}
	}
	return l
}

func TestBreakersAreShown(t *testing.T) {
	l := failing(t, "tiny")
	shown := l.Breakers()
	want := fleet.Breaker{
		HostID: "h1", Host: "name of h1", Instance: "default", Model: "tiny:latest", State: fleet.BreakerOpen, Since: noon(),
		FailuresInARow: 5, Failures: 5, LastKind: "server_error", LastError: "Ollama answered with an error", LastErrorAt: noon(),
	}
	if len(shown) != 2 || shown[1].Host != "name of h2" {
		t.Fatalf("shown are %+v", shown)
	}
	if !shown[0].NextProbeAt.After(noon()) {
		t.Errorf("the next probe is at %v", shown[0].NextProbeAt)
	}
	want.NextProbeAt = shown[0].NextProbeAt // is spread at random
	if diff := cmp.Diff(want, shown[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	l.now = noon().Add(time.Minute)
	if got := l.Breakers()[0].State; got != fleet.BreakerHalfOpen {
		t.Errorf("after the pause it is %s", got)
	}
}

func TestBreakersAreReset(t *testing.T) {
	for name, c := range map[string]struct {
		which        fleet.BreakerFilter
		closed, left int
	}{
		"all":                {fleet.BreakerFilter{}, 2, 0},
		"of a host":          {fleet.BreakerFilter{HostID: "h1"}, 1, 1},
		"of an instance":     {fleet.BreakerFilter{HostID: "h1", Instance: "default"}, 1, 1},
		"of another one":     {fleet.BreakerFilter{Instance: "second"}, 0, 2},
		"of a model":         {fleet.BreakerFilter{Model: "Tiny"}, 2, 0},
		"of another model":   {fleet.BreakerFilter{Model: "tiny:7b"}, 0, 2},
		"of a model on one":  {fleet.BreakerFilter{HostID: "h2", Model: "tiny"}, 1, 1},
		"of a host not here": {fleet.BreakerFilter{HostID: "h3"}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := failing(t, "tiny")
			if _, err := l.pick("tiny"); err == nil {
				t.Fatal("no breaker is open")
			}
			if got := l.ResetBreakers(c.which); got != c.closed {
				t.Errorf("%d were closed, want %d", got, c.closed)
			}
			left := 0
			for _, b := range l.Breakers() {
				if b.State != fleet.BreakerClosed {
					left++
				}
			}
			picked, err := l.pick("tiny")
			if left != c.left || (err == nil) != (c.closed > 0) {
				t.Errorf("%d are left, want %d; then: %v", left, c.left, err)
			}
			if picked != nil {
				l.put(picked)
			}
		})
	}
}
