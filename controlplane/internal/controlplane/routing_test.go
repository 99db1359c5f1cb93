package controlplane

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
	"github.com/corral-fleet/corral/controlplane/internal/router/failover"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
)

func TestTheDefaultsOfRoutingAreThoseOfItsParts(t *testing.T) {
	app := settings.DefaultApp()
	if diff := cmp.Diff(breaker.Defaults(), thresholdsOf(&app.Routing)); diff != "" {
		t.Errorf("breakers (-of the package +of the settings)\n%s", diff)
	}
	if diff := cmp.Diff(failover.Defaults(), retriesOf(&app.Routing)); diff != "" {
		t.Errorf("retries (-of the package +of the settings)\n%s", diff)
	}
}

// Whatever the settings may be, the parts take it.
func TestEverySettingOfRoutingCanBeFollowed(t *testing.T) {
	for _, r := range []settings.Routing{
		{BreakerPauseSeconds: 1},
		{BreakerFailures: 1, BreakerRatio: 1, BreakerPauseSeconds: 3600, Retries: 10, RetryShare: 1},
		{BreakerRatio: 0.001, BreakerPauseSeconds: 61},
	} {
		if err := thresholdsOf(&r).Validate(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
		if err := retriesOf(&r).Validate(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestRoutingFollowsTheSettings(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return noon }
	guard, err := router.NewGuard(clock)
	if err != nil {
		t.Fatal(err)
	}
	cfg := settings.Default()
	cfg.App.Routing.BreakerFailures = 2
	db, err := sqlite.OpenState(t.Context(), t.TempDir(), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	manager := settings.New(settings.Loaded{Config: cfg}, db)
	if err := followRouting(manager, guard, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	failuresToOpen := func(host string) int {
		t.Helper()
		at := fleet.Target{HostID: host, Instance: "default"}
		for n := range 10 {
			pass, ok := guard.Breakers.Enter(at, "tiny")
			if !ok {
				return n
			}
			guard.Breakers.Failed(pass, breaker.Refused, "refused")
		}
		return 10
	}
	if n := failuresToOpen("h1"); n != 2 {
		t.Errorf("at the start the circuit opens after %d failures, want 2", n)
	}
	if _, err := manager.Patch(t.Context(), []byte(`{"routing":{"breaker_failures":3,"retries":0}}`)); err != nil {
		t.Fatal(err)
	}
	if n := failuresToOpen("h2"); n != 3 {
		t.Errorf("after a change the circuit opens after %d failures, want 3", n)
	}
	guard.Retries.Arrived()
	request := failover.Request{Repeatable: true, BodyHeld: true}
	failed := failover.Attempt{Blame: failover.BlameInstance}
	if got := guard.Retries.Retry(request, fleet.Target{HostID: "h1"}, failed, &failover.Tried{}); got != failover.AttemptsSpent {
		t.Errorf("without retries a request that failed is %s", got)
	}
}
