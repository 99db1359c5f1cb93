package agentlink

import (
	"math"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func factsOf(h *wire.HostFacts) fleet.Facts {
	return fleet.Facts{
		Hostname: h.Hostname, OS: h.OS, Platform: h.Platform, Arch: h.Arch, Kernel: h.Kernel,
		BootID: h.BootID, MachineID: h.MachineID, AgentVersion: h.AgentVersion,
		CPUModel: h.CPUModel, CPUCores: int(h.CPUCores), MemoryBytes: int64(h.MemoryBytes),
		PeerAddress: h.PeerAddress,
	}
}

func sampleOf(s *wire.Sample, taken time.Time) *fleet.Sample {
	out := &fleet.Sample{
		TakenAt: taken, UptimeSeconds: int64(s.UptimeSec), InFlight: int(s.InFlight), GPUs: gpusOf(s.GPUs),
	}
	if s.CPU.Known {
		out.CPUPercent = known(s.CPU.TotalPercent)
		for _, p := range s.CPU.PerCorePercent {
			if v := known(p); v != nil {
				out.CorePercent = append(out.CorePercent, *v)
			}
		}
	}
	if s.Load.Known {
		out.Load = []float64{float64(s.Load.Load1), float64(s.Load.Load5), float64(s.Load.Load15)}
	}
	if m := s.Memory; m.Known {
		out.Memory = &fleet.Memory{
			TotalBytes: int64(m.TotalBytes), UsedBytes: int64(m.UsedBytes), AvailableBytes: int64(m.AvailableBytes),
			SwapTotalBytes: int64(m.SwapTotalBytes), SwapUsedBytes: int64(m.SwapUsedBytes),
		}
	}
	for _, d := range s.Disks {
		out.Disks = append(out.Disks, fleet.Disk{
			Mount: d.Mount, Device: d.Device, FileSystem: d.FileSystem,
			TotalBytes: int64(d.TotalBytes), UsedBytes: int64(d.UsedBytes), FreeBytes: int64(d.FreeBytes),
		})
	}
	for _, d := range s.DiskIO {
		out.DiskIO = append(out.DiskIO, fleet.DiskIO{
			Device: d.Device, ReadBytes: int64(d.ReadBytes), WrittenBytes: int64(d.WrittenBytes), BusyMillis: int64(d.BusyMillis),
		})
	}
	for _, n := range s.Networks {
		out.Networks = append(out.Networks, fleet.Network{
			Interface: n.Interface, ReceivedBytes: int64(n.ReceivedBytes), SentBytes: int64(n.SentBytes),
			Errors: int64(n.Errors), Dropped: int64(n.Dropped),
		})
	}
	for _, t := range s.Sensors {
		if v := known(t.Celsius); v != nil {
			out.Sensors = append(out.Sensors, fleet.Sensor{Name: t.Name, Celsius: *v})
		}
	}
	return out
}

// known returns a value that can be shown: a reading that is no number is none.
// It is rounded to thousandths, which is what such readings are good for: written
// out, the nearest float64 of 37.3 as a float32 has 17 digits.
func known(v float32) *float64 {
	f := float64(v)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	f = math.Round(f*1000) / 1000
	return &f
}

func instancesOf(f *wire.Instances) []fleet.Instance {
	out := make([]fleet.Instance, len(f.List))
	for i := range f.List {
		in := &f.List[i]
		out[i] = fleet.Instance{
			Name: in.Name, Mode: in.Mode, State: stateOf(in.State), Reason: in.Reason, Message: in.Message,
			Version: in.Version, PID: int(in.PID), StartedAt: timeOf(in.StartedUnixMillis), InFlight: int(in.InFlight), Parallel: int(in.Parallel),
			RestartCount: int(in.RestartCount), ModelsKnown: in.ModelsKnown,
			Models: make([]fleet.HostModel, len(in.Models)), Loaded: make([]fleet.LoadedModel, len(in.Loaded)),
			Unit: unitOf(&in.Unit), Settings: settingsOf(&in.Settings),
		}
		for _, r := range in.Restarts {
			out[i].Restarts = append(out[i].Restarts, fleet.Restart{At: timeOf(r.UnixMillis), Cause: r.Cause, Message: r.Message})
		}
		for m, have := range in.Models {
			out[i].Models[m] = fleet.HostModel{
				Name: have.Name, Digest: have.Digest, SizeBytes: int64(have.SizeBytes), Format: have.Format, Family: have.Family,
				ParameterSize: have.ParameterSize, Quantization: have.Quantization, ModifiedAt: timeOf(have.ModifiedUnixMillis),
			}
		}
		for m, have := range in.Loaded {
			out[i].Loaded[m] = fleet.LoadedModel{
				Name: have.Name, Digest: have.Digest, SizeBytes: int64(have.SizeBytes), SizeVRAMBytes: int64(have.SizeVRAMBytes),
				ContextLength: int(have.ContextLength), ExpiresAt: timeOf(have.ExpiresUnixMillis),
				GPUs: gpuSharesOf(&in.Loaded[m]),
			}
		}
	}
	return out
}

func settingsOf(s *wire.OllamaSettings) *fleet.OllamaSettings {
	if *s == (wire.OllamaSettings{}) {
		return nil
	}
	return &fleet.OllamaSettings{ContextTokens: int(s.ContextLength), CacheType: s.CacheType, FlashAttention: s.FlashAttention, ModelsDir: s.ModelsDir}
}

func unitOf(u *wire.Unit) *fleet.Unit {
	if u.Name == "" {
		return nil
	}
	return &fleet.Unit{
		Name: u.Name, ActiveState: u.ActiveState, SubState: u.SubState, Result: u.Result,
		RestartCount: int(u.RestartCount), MemoryBytes: int64(min(u.MemoryBytes, math.MaxInt64)),
	}
}

func stateOf(s string) fleet.InstanceState {
	switch state := fleet.InstanceState(s); state {
	case fleet.InstanceStarting, fleet.InstanceReady, fleet.InstanceDegraded, fleet.InstanceStopped, fleet.InstanceFailed:
		return state
	}
	return fleet.InstanceUnknown // of a newer agent, or not told
}

// timeOf returns the zero time for 0, which stands for a time that is not known.
func timeOf(unixMillis int64) time.Time {
	if unixMillis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(unixMillis).UTC()
}

// DecodeSample reads a sample as the history stores it. takenAt is when it was
// taken by our own clock.
func DecodeSample(payload []byte, takenAt time.Time) (*fleet.Sample, error) {
	var s wire.Sample
	if err := wire.DecodeSample(payload, &s); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "a stored sample cannot be read")
	}
	return sampleOf(&s, takenAt), nil
}

// cpuFallback is an agent's reason for an instance that serves: a model that would
// fit on the GPUs is in main memory.
const cpuFallback = "cpu_fallback"

// forgetFallbacks forgets what is as it was asked for.
func forgetFallbacks(instances []fleet.Instance) {
	for i := range instances {
		if instances[i].Reason == cpuFallback {
			instances[i].Reason, instances[i].Message = "", ""
		}
	}
}
