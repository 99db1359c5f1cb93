package agentlink

import (
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

// maxGPUs is how many GPUs of one host are shown. No host has as many, also not
// cut up into parts, and everybody who watches the fleet is told of each of them
// every second.
const maxGPUs = 256

// gpusOf never returns nil: no GPUs are a list as well.
func gpusOf(rows []wire.GPU) []fleet.GPU {
	out := make([]fleet.GPU, min(len(rows), maxGPUs))
	for i := range out {
		g := &rows[i]
		out[i] = fleet.GPU{
			UUID: g.UUID, Index: int(g.Index), Name: g.Name, State: gpuStateOf(g.State), Message: g.Message,
			UtilizationPercent: known(g.UtilizationPercent),
			TemperatureCelsius: known(g.TemperatureCelsius), SlowdownCelsius: known(g.SlowdownCelsius),
			PowerWatts: known(g.PowerWatts), PowerLimitWatts: known(g.PowerLimitWatts), Source: g.Source,
		}
		if g.Clocks.Known {
			out[i].SMClockMHz, out[i].MemoryClockMHz = known(g.Clocks.SMMegahertz), known(g.Clocks.MemoryMegahertz)
		}
		if g.Clocks.ThrottleKnown {
			out[i].Throttled = throttled(g.Clocks.ThrottleReasons)
		}
		if g.Memory.Known {
			used, total := int64(g.Memory.UsedBytes), int64(g.Memory.TotalBytes)
			out[i].MemoryUsedBytes, out[i].MemoryTotalBytes = &used, &total
			if reserved := int64(g.Memory.ReservedBytes); reserved > 0 {
				out[i].MemoryReservedBytes = &reserved
			}
		}
	}
	return out
}

func gpuStateOf(s string) fleet.GPUState {
	switch state := fleet.GPUState(s); state {
	case fleet.GPUOK, fleet.GPUDegraded, fleet.GPULost:
		return state
	}
	return fleet.GPUUnknown // of a newer agent, or not told
}

// throttled names the reasons for low clocks that NVML's bits tell. That a card is
// idle, or was set to lower clocks, is none.
func throttled(bits uint64) []string {
	var reasons []string
	for _, r := range [...]struct {
		bit  uint64
		word string
	}{
		{0x4, "power_cap"}, {0x8, "hardware"}, {0x10, "sync_boost"}, {0x20, "thermal"}, {0x40, "hardware_thermal"}, {0x80, "power_brake"},
	} {
		if bits&r.bit != 0 {
			reasons = append(reasons, r.word)
		}
	}
	return reasons
}
