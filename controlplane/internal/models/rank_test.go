package models

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// A host that can't make a model any more gets it where no other can have it.
func TestHostsThatHaveOutgrownAModelComeLast(t *testing.T) {
	h := newHosts("a", "b", "c")
	h.views["a"].Instances[0].Version = "0.34.2"
	b := newBench(t, newShelf(), h)
	p := b.parcel("small", "m.gguf", "GGUF one")
	p.Quantize = "q8_0"
	if err := b.Take(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	hosts, err := b.Want(t.Context(), "small", Where{Count: 3})
	if err != nil || hosts[0].Name != "b" || hosts[1].Name != "c" || hosts[2].Name != "a" {
		t.Errorf("the placement takes %v, %v", hosts, err)
	}
}

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
