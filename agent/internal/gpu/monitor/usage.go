package monitor

import (
	"slices"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Usage is who has what of the cards' memory.
type Usage struct {
	FreeBytes uint64                     // of the cards that are well and not cut up
	Shares    map[uint32][]wire.GPUShare // by process
}

// Usage returns who has what, and false where that isn't known for sure: of cards
// that are not real or can't be read, where a card doesn't tell of its processes,
// and where this program counts processes otherwise than the driver.
func (m *Monitor) Usage() (Usage, bool) {
	if !HostNumbers() {
		return Usage{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.state != wire.GPUsOK || m.late() || !Real(m.reading.Source) || len(m.rows) > len(m.reading.Devices) {
		return Usage{}, false
	}
	u := Usage{Shares: map[uint32][]wire.GPUShare{}}
	for i := range m.reading.Devices {
		d := &m.reading.Devices[i]
		if stateOf(d.Health) == wire.GPULost || stateOf(d.Health) == wire.GPUUnknown || d.Health == gpu.Erring ||
			hidesProcesses(d) {
			return Usage{}, false
		}
		u.add(d)
	}
	return u, true
}

// hidesProcesses reports whether a card does not tell who uses it.
func hidesProcesses(d *gpu.Device) bool {
	return slices.ContainsFunc(d.Absent, func(a gpu.Absence) bool { return a.Field == "processes" })
}

func (u *Usage) add(d *gpu.Device) {
	seen := map[uint32]bool{} // one that computes and draws is listed twice
	for _, p := range d.Processes {
		if !seen[p.PID] {
			u.Shares[p.PID] = append(u.Shares[p.PID], wire.GPUShare{UUID: d.UUID, MemoryBytes: p.MemoryBytes.V})
		}
		seen[p.PID] = true
	}
	if d.Health == gpu.Healthy && !d.MIG.V && d.MemoryTotalBytes.Known && d.MemoryUsedBytes.Known {
		u.FreeBytes += d.MemoryTotalBytes.V - min(d.MemoryTotalBytes.V, d.MemoryUsedBytes.V+d.MemoryReservedBytes.V)
	}
}
