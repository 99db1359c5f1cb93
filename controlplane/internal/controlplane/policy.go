package controlplane

import (
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

// policyOf returns the edge's view of the settings, kept up to date.
func policyOf(manager *settings.Manager) func() *edge.Snapshot {
	var current atomic.Pointer[edge.Snapshot]
	update := func() {
		app := manager.Current()
		current.Store(&edge.Snapshot{
			ProgressTimeout: time.Duration(app.Server.TimeoutSeconds) * time.Second,
			MaxConnections:  app.Server.MaxConnections,
			AllowedIPs:      app.Security.AllowedPrefixes(),
			CORSOrigins:     app.Server.CORSOrigins,
			RatePerMinute:   app.Security.RateLimitPerMinute,
			RequireTLS:      app.Security.RequireTLS,
		})
	}
	update()
	manager.Subscribe(func(settings.Change) { update() })
	return current.Load
}
