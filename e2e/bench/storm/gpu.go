package storm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// fate is what is wrong with a simulated GPU.
type fate int

const (
	well fate = iota
	hot
	lost
)

// gpuKinds are the cards that simulated hosts have, one kind each. They are never
// written to.
var gpuKinds = [...]struct {
	name            string
	memoryBytes     uint64
	limitWatts      float32
	slowdownCelsius float32
}{
	{"NVIDIA H200", 141 << 30, 700, 90},
	{"NVIDIA H100 80GB HBM3", 80 << 30, 700, 90},
	{"NVIDIA L40S", 48 << 30, 350, 88},
}

// gpu is one simulated GPU.
type gpu struct {
	row       wire.GPU // what does not change
	fate      fate
	load      wave // from 0 to 1
	heldBytes uint64
}

// newGPU returns the ith GPU of the nth host, whose models take so much of its memory.
func newGPU(n, i int, modelBytes uint64, random *rand.Rand) *gpu {
	kind := &gpuKinds[n%len(gpuKinds)]
	load := newWave(random, 0, 0.04)
	if modelBytes > 0 {
		load = newWave(random, 0.2, 0.99)
	}
	return &gpu{
		row: wire.GPU{
			UUID: fmt.Sprintf("GPU-51300000-0000-4000-8000-%06d%06d", n, i), Index: uint32(i), Name: kind.name, State: wire.GPUOK,
			Memory:             wire.GPUMemory{Known: true, TotalBytes: kind.memoryBytes},
			SlowdownCelsius:    kind.slowdownCelsius,
			PowerLimitWatts:    kind.limitWatts,
			UtilizationPercent: unread(), TemperatureCelsius: unread(), PowerWatts: unread(),
		},
		load: load, heldBytes: min(modelBytes, kind.memoryBytes*9/10),
	}
}

// read writes the GPU's reading so long after the start to row.
func (g *gpu) read(row *wire.GPU, up time.Duration) {
	*row = g.row
	if g.fate == lost {
		row.State, row.Message = wire.GPULost, "the driver does not answer for it: it fell off the bus"
		row.Memory = wire.GPUMemory{}
		row.SlowdownCelsius, row.PowerLimitWatts = unread(), unread()
		return
	}
	load := g.load.at(up)
	const idleWatts, idleCelsius, riseCelsius = 70, 31, 45
	row.UtilizationPercent = float32(math.Round(100 * load))
	row.Memory.UsedBytes = g.heldBytes + uint64(float64(row.Memory.TotalBytes)*0.05*load)
	row.TemperatureCelsius = float32(math.Round(idleCelsius + riseCelsius*load))
	row.PowerWatts = idleWatts + float32(load)*(row.PowerLimitWatts-idleWatts)
	if g.fate == hot {
		row.State, row.Message = wire.GPUDegraded, "it slows itself down because it is too hot"
		row.TemperatureCelsius = row.SlowdownCelsius + float32(math.Round(3*load))
	}
}

// unread stands for a value that could not be read.
func unread() float32 { return float32(math.NaN()) }
