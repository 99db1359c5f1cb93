package controlplane

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/limits"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
)

func TestLimitsAreThoseOfTheSettings(t *testing.T) {
	cfg := settings.Default()
	of := func() limits.Limits { return limitsOf(settings.New(settings.Loaded{Config: cfg}, nil))() }
	if diff := cmp.Diff(limits.Limits{}, of()); diff != "" {
		t.Errorf("by default (-want +got)\n%s", diff)
	}
	cfg.App.Models.MaxTokens, cfg.App.Models.BatchSize, cfg.App.Models.GPUEnabled = 5, 6, false
	if diff := cmp.Diff(limits.Limits{MaxTokens: 5, BatchSize: 6, CPUOnly: true}, of()); diff != "" {
		t.Errorf("all three (-want +got)\n%s", diff)
	}
	cfg.App.Monitoring.LogRetentionDays = 3
	if kept := retentionOf(settings.New(settings.Loaded{Config: cfg}, nil))(); kept != 72*time.Hour {
		t.Errorf("requests are kept for %v, want three days", kept)
	}
}
