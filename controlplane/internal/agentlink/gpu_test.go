package agentlink

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

// What a card could not tell is left out of what is shown, and a zero is not.
func TestAGPUShowsWhatIsKnown(t *testing.T) {
	nan := float32(math.NaN())
	rows := gpusOf([]wire.GPU{
		{
			UUID: "GPU-a", Name: "Example", State: wire.GPUOK, UtilizationPercent: 37.3,
			Memory: wire.GPUMemory{Known: true, TotalBytes: 80, UsedBytes: 0}, TemperatureCelsius: 0,
			SlowdownCelsius: nan, PowerWatts: 71.25, PowerLimitWatts: float32(math.Inf(1)),
		},
		{
			UUID: "GPU-b", Index: 1, Name: "Example", State: wire.GPULost, Message: "gone", UtilizationPercent: nan,
			Memory: wire.GPUMemory{TotalBytes: 80}, TemperatureCelsius: nan, SlowdownCelsius: nan, PowerWatts: nan, PowerLimitWatts: nan,
		},
	})
	got, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"uuid":"GPU-a","index":0,"name":"Example","state":"ok","utilization_percent":37.3,"memory_used_bytes":0,` +
		`"memory_total_bytes":80,"temperature_celsius":0,"power_watts":71.25},` +
		`{"uuid":"GPU-b","index":1,"name":"Example","state":"lost","message":"gone"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAGPUStateThatIsNotKnownIsUnknown(t *testing.T) {
	for told, want := range map[string]fleet.GPUState{
		wire.GPUUnknown: fleet.GPUUnknown, "of a newer agent": fleet.GPUUnknown, "unknown": fleet.GPUUnknown,
		wire.GPUOK: fleet.GPUOK, wire.GPUDegraded: fleet.GPUDegraded, wire.GPULost: fleet.GPULost,
	} {
		if got := gpuStateOf(told); got != want {
			t.Errorf("%q is %q, want %q", told, got, want)
		}
	}
}

func TestWhyAGPUIsSlow(t *testing.T) {
	rows := gpusOf([]wire.GPU{
		{Clocks: wire.GPUClocks{Known: true, SMMegahertz: 345, MemoryMegahertz: float32(math.NaN()), ThrottleKnown: true, ThrottleReasons: 0x1 | 0x4 | 0x20 | 1<<40}},
		{Clocks: wire.GPUClocks{SMMegahertz: 345, ThrottleReasons: 0x4}, Source: "demo", Memory: wire.GPUMemory{Known: true, ReservedBytes: 7}},
	})
	got, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	want := `"sm_clock_mhz":345,"throttled":["power_cap","thermal"]}`
	if text := string(got); !strings.Contains(text, want) || strings.Count(text, "throttled") != 1 || strings.Count(text, "clock") != 1 ||
		!strings.Contains(text, `"memory_reserved_bytes":7,"source":"demo"`) {
		t.Errorf("%s, want %s", text, want)
	}
}

func TestNoHostShowsMoreGPUsThanThereCanBe(t *testing.T) {
	if n := len(gpusOf(make([]wire.GPU, 30_000))); n != maxGPUs {
		t.Errorf("%d GPUs are shown, want %d", n, maxGPUs)
	}
}
