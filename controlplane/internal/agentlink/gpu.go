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
			PowerWatts: known(g.PowerWatts), PowerLimitWatts: known(g.PowerLimitWatts),
		}
		if g.Memory.Known {
			used, total := int64(g.Memory.UsedBytes), int64(g.Memory.TotalBytes)
			out[i].MemoryUsedBytes, out[i].MemoryTotalBytes = &used, &total
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
