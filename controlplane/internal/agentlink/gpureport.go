package agentlink

import (
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

func gpuReportOf(r *wire.GPUReport) *fleet.GPUReport {
	out := &fleet.GPUReport{
		State: gpuReadingOf(r.State), Message: r.Message, Source: r.Source, DriverVersion: r.DriverVersion,
		KernelModuleVersion: r.KernelModuleVersion, NVMLVersion: r.NVMLVersion, CUDAVersion: r.CUDAVersion,
		ReleasedUntil: timeOf(r.UntilUnixMillis), Cards: make([]fleet.GPUCard, min(len(r.Cards), maxGPUs)),
	}
	for _, c := range r.Conditions {
		out.Conditions = append(out.Conditions, fleet.Problem{Code: c.Code, Message: c.Message})
	}
	for i := range r.Events {
		out.Events = append(out.Events, gpuEventOf(&r.Events[i]))
	}
	for i := range out.Cards {
		out.Cards[i] = gpuCardOf(&r.Cards[i])
	}
	return out
}

func gpuReadingOf(s string) fleet.GPUReading {
	switch state := fleet.GPUReading(s); state {
	case fleet.GPUsOK, fleet.GPUsNone, fleet.GPUsOff, fleet.GPUsStarting, fleet.GPUsReleased, fleet.GPUsNoDriver, fleet.GPUsNoLibrary,
		fleet.GPUsVersionMismatch, fleet.GPUsFailed, fleet.GPUsProbeMissing, fleet.GPUsProbeCrashed, fleet.GPUsProbeSilent,
		fleet.GPUsProbeGarbled, fleet.GPUsUnresponsive:
		return state
	case fleet.GPUsUnknown:
	}
	return fleet.GPUsUnknown // of a newer agent, or not told
}

func gpuEventOf(e *wire.GPUEvent) fleet.GPUEvent {
	out := fleet.GPUEvent{
		At: timeOf(e.UnixMillis), UUID: e.UUID, Address: e.Address, Name: e.Name, Message: e.Message,
		Action: e.Action, Advice: e.Advice, PID: int(e.PID), Process: e.Process,
	}
	if e.XidKnown {
		out.Xid = new(int(e.Xid))
	}
	return out
}

func gpuCardOf(c *wire.GPUCard) fleet.GPUCard {
	out := fleet.GPUCard{
		UUID: c.UUID, Address: c.Address, Serial: c.Serial, VBIOS: c.VBIOS, Architecture: c.Architecture,
		ComputeCapability: c.ComputeCapability, Figures: make(map[string]int64, len(c.Figures)),
	}
	for _, f := range c.Figures {
		out.Figures[f.Name] = f.Value
	}
	if c.UnaccountedKnown {
		out.UnaccountedBytes = new(int64(c.UnaccountedBytes))
	}
	for _, p := range c.Parts {
		part := fleet.GPUPart{UUID: p.UUID, Name: p.Name}
		if p.MemoryKnown {
			part.MemoryTotalBytes, part.MemoryUsedBytes = new(int64(p.TotalBytes)), new(int64(p.UsedBytes))
		}
		out.Parts = append(out.Parts, part)
	}
	for _, p := range c.Processes {
		process := fleet.GPUProcess{GPU: c.UUID, PID: int(p.PID), User: p.User, Name: p.Name, Kind: p.Kind, Instance: p.Instance}
		if p.MemoryKnown {
			process.MemoryBytes = new(int64(p.MemoryBytes))
		}
		out.Processes = append(out.Processes, process)
	}
	return out
}

// gpuSharesOf returns nil where it isn't known on which GPUs a model is.
func gpuSharesOf(m *wire.LoadedModel) []fleet.GPUShare {
	if !m.GPUsKnown {
		return nil
	}
	out := make([]fleet.GPUShare, min(len(m.GPUs), maxGPUs))
	for i := range out {
		out[i].UUID = m.GPUs[i].UUID
		if bytes := int64(m.GPUs[i].MemoryBytes); bytes > 0 {
			out[i].MemoryBytes = &bytes
		}
	}
	return out
}
