package controlplane

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/limits"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

// limitsOf returns what requests are held to by the settings as they are now.
func limitsOf(manager *settings.Manager) func() limits.Limits {
	return func() limits.Limits {
		models := &manager.Current().Models
		return limits.Limits{MaxTokens: models.MaxTokens, BatchSize: models.BatchSize, CPUOnly: !models.GPUEnabled}
	}
}

// retentionOf returns for how long requests are kept by the settings as they are now.
func retentionOf(manager *settings.Manager) func() time.Duration {
	return func() time.Duration {
		return time.Duration(manager.Current().Monitoring.LogRetentionDays) * 24 * time.Hour
	}
}
