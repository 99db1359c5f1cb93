//go:build cgo

package source

import (
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// readMIG finds out whether the card is cut up, and into what. A card that is
// supports less.
func (c *card) readMIG() {
	d := &c.device
	mode := ask(c, "mig", func() (int, nvml.Return) {
		current, _, ret := c.handle.GetMigMode()
		return current, ret
	})
	before := d.MIG
	d.MIG = gpu.If(mode.Known, mode.V == nvml.DEVICE_MIG_ENABLE)
	if before.Known && d.MIG.Known && d.MIG != before {
		c.forget()
	}
	d.Parts = d.Parts[:0]
	if !d.MIG.V {
		return
	}
	for place := range ask(c, "mig_parts", c.handle.GetMaxMigDeviceCount).V {
		handle, ret := c.handle.GetMigDeviceHandleByIndex(place)
		if ret == nvml.ERROR_NOT_FOUND || ret == nvml.ERROR_INVALID_ARGUMENT {
			continue // no part is there
		}
		if c.note("mig_parts", ret) {
			d.Parts = append(d.Parts, c.part(handle))
		}
	}
}

func (c *card) part(h nvml.Device) gpu.Part {
	id := func(field string, call func() (int, nvml.Return)) gpu.Value[uint32] {
		return whole(ask(c, field, call))
	}
	p := gpu.Part{
		UUID:            ask(c, "#part uuid", h.GetUUID).V,
		Name:            ask(c, "#part name", h.GetName).V,
		GPUInstance:     id("#part gpu instance", h.GetGpuInstanceId),
		ComputeInstance: id("#part compute instance", h.GetComputeInstanceId),
	}
	if m := ask(c, "#part memory v2", h.GetMemoryInfo_v2); m.Known {
		p.MemoryTotalBytes, p.MemoryUsedBytes, p.MemoryReservedBytes = gpu.Of(m.V.Total), gpu.Of(m.V.Used), gpu.Of(m.V.Reserved)
	} else if m := ask(c, "#part memory", h.GetMemoryInfo); m.Known {
		p.MemoryTotalBytes, p.MemoryUsedBytes = gpu.Of(m.V.Total), gpu.Of(m.V.Used)
	}
	return p
}
