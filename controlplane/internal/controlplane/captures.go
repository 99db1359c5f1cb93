package controlplane

import (
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

// capturesOf returns whether the settings, as they are now, have what is asked
// and answered kept.
func capturesOf(manager *settings.Manager) func() bool {
	return func() bool { return manager.Current().Monitoring.Captures }
}

// tellOfCaptures logs whenever keeping what people write begins and ends.
func tellOfCaptures(manager *settings.Manager, log hclog.Logger) {
	tell := func() {
		if manager.Current().Monitoring.Captures {
			log.Warn("captures are on: what is asked and answered is kept", "days", manager.Current().Monitoring.LogRetentionDays)
		} else {
			log.Info("captures are off")
		}
	}
	if manager.Current().Monitoring.Captures {
		tell()
	}
	manager.Subscribe(func(change settings.Change) {
		if change.Has("monitoring.captures") {
			tell()
		}
	})
}
