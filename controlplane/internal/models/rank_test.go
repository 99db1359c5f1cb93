package models

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestTheDiskOfTheModelsCounts(t *testing.T) {
	h := fleet.HostView{Sample: &fleet.Sample{Disks: []fleet.Disk{{Mount: "/", FreeBytes: 10}, {Mount: "/data", FreeBytes: 5}, {Mount: "/data/models", FreeBytes: 7}}}}
	for dir, want := range map[string]int64{"": 10, "/data/models/ollama": 7, "/data/modelsandmore": 5, "/data": 5, "/var/lib/corral-ollama/models": 10} {
		in := fleet.Instance{Settings: &fleet.OllamaSettings{ModelsDir: dir}}
		if free, known := freeDisk(&h, &in); !known || free != want {
			t.Errorf("models in %q have %d, %t; want %d", dir, free, known, want)
		}
	}
	if free, known := freeDisk(&h, &fleet.Instance{}); !known || free != 10 {
		t.Errorf("where nothing is known of it: %d, %t", free, known)
	}
	if _, known := freeDisk(&fleet.HostView{}, &fleet.Instance{}); known {
		t.Error("without a sample it is known")
	}
}
