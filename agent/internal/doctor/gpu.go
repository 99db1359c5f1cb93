package doctor

import (
	"strings"

	"github.com/corral-fleet/corral/sdk/wire"
)

func (f *Findings) gpuReadings() Check {
	const name = "GPU readings"
	a := &f.Agent
	switch a.GPUs {
	case wire.GPUsOK:
		return ok(name, "the GPUs are read")
	case wire.GPUsUnknown:
		return ok(name, "GPUs are read while an agent runs")
	case wire.GPUsNone, wire.GPUsOff, wire.GPUsStarting:
		return ok(name, strings.TrimSuffix(a.GPUs+": "+a.GPUMessage, ": "))
	case wire.GPUsReleased:
		return warning(name, a.GPUMessage, "corral-agent gpu acquire reads them again now")
	case wire.GPUsProbeMissing:
		return warning(name, a.GPUMessage, "put corral-gpuprobe beside corral-agent, or name it by gpu.probe")
	}
	return warning(name, a.GPUs+": "+a.GPUMessage, "run corral-gpuprobe by hand: it prints what it reads, or why it can't")
}
