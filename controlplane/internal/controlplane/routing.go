package controlplane

import (
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/router"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
	"github.com/corral-fleet/corral/controlplane/internal/router/failover"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

// followRouting has the guard go by the settings, now and after each change.
func followRouting(manager *settings.Manager, guard router.Guard, log hclog.Logger) error {
	apply := func() error {
		routing := &manager.Current().Routing
		return errors.Join(guard.Breakers.Set(thresholdsOf(routing)), guard.Retries.Set(retriesOf(routing)))
	}
	manager.Subscribe(func(settings.Change) {
		if err := apply(); err != nil {
			log.Error("routing goes on as it was", "error", err)
		}
	})
	return apply()
}

// queueOf returns how requests wait, by the settings as they are now.
func queueOf(manager *settings.Manager) func() router.Options {
	return func() router.Options {
		routing := &manager.Current().Routing
		return router.Options{QueueLength: routing.QueueLength, QueueTimeout: time.Duration(routing.QueueTimeoutSeconds) * time.Second}
	}
}

// requestTimeoutOf returns how long a request may take, by the settings as they are now.
func requestTimeoutOf(manager *settings.Manager) func() time.Duration {
	return func() time.Duration {
		return time.Duration(manager.Current().Routing.RequestTimeoutSeconds) * time.Second
	}
}

// deadAfterOf returns when a missing host counts as dead, by the settings as they are now.
func deadAfterOf(manager *settings.Manager) func() time.Duration {
	return func() time.Duration { return time.Duration(manager.Current().Fleet.DeadAfterSeconds) * time.Second }
}

// thresholdsOf returns when circuits open, by the settings.
func thresholdsOf(r *settings.Routing) breaker.Thresholds {
	t := breaker.Defaults()
	t.Run, t.Share = r.BreakerFailures, r.BreakerRatio
	if r.BreakerRatio == 0 {
		t.Among = 0
	}
	t.Pause = time.Duration(r.BreakerPauseSeconds) * time.Second
	t.MaxPause = max(t.MaxPause, t.Pause)
	return t
}

// retriesOf returns how often requests are sent again, by the settings.
func retriesOf(r *settings.Routing) failover.Limits {
	l := failover.Defaults()
	l.Further, l.Share = r.Retries, r.RetryShare
	return l
}
