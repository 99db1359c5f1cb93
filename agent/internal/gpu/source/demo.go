package source

import (
	"fmt"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// demo makes two cards up. Each says so in its name and its message, so that
// nobody takes it for a real one.
type demo struct{ reads uint32 }

const demoCards = 2

func (d *demo) Read(into *gpu.Reading) {
	d.reads++
	blank(into, Demo)
	into.Driver = "demo"
	for i := range uint32(demoCards) {
		busy := triangle(d.reads+20*i, 60)
		into.Devices = append(into.Devices, gpu.Device{
			UUID: fmt.Sprintf("DEMO-%d", i), Index: gpu.Of(i), Name: "Demo GPU (not real)", Health: gpu.Healthy,
			Message:            "made up: gpu.source is demo",
			UtilizationPercent: gpu.Of(busy),
			MemoryTotalBytes:   gpu.Of(uint64(24 << 30)), MemoryUsedBytes: gpu.Of(uint64(6<<30) + uint64(busy)<<26),
			TemperatureCelsius: gpu.Of(35 + busy/2), SlowdownCelsius: gpu.Of(uint32(90)),
			PowerMilliwatts: gpu.Of(25_000 + busy*3_000), PowerLimitMilliwatts: gpu.Of(uint32(350_000)),
		})
	}
}

// triangle goes from 0 to 100 and back once in a period.
func triangle(at, period uint32) uint32 {
	half := period / 2
	at %= period
	if at > half {
		at = period - at
	}
	return at * 100 / half
}
