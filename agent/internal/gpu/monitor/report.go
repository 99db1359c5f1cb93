package monitor

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	keptEvents   = 32 // that a report tells of
	maxProcesses = 64 // of one card that it tells of
	maxParts     = 64
)

// Report returns how the GPUs are read and what each of them is. Which processes
// run a model, instance says by their numbers, with the name of an Ollama instance
// or "".
func (m *Monitor) Report(instance func(pid uint32) string) *wire.GPUReport {
	r := m.report()
	for i := range r.Cards {
		for j := range r.Cards[i].Processes {
			p := &r.Cards[i].Processes[j]
			p.Instance = instance(p.PID)
			p.User, p.Name = whoIs(p.PID)
		}
	}
	return r
}

// report is Report, but for what others know of processes.
func (m *Monitor) report() *wire.GPUReport {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &wire.GPUReport{State: m.state.state, Message: m.state.sentence, Events: slices.Clone(m.events)}
	if !m.released.IsZero() {
		r.UntilUnixMillis = m.released.UnixMilli()
	}
	if m.taken.IsZero() {
		r.Source = m.Source
		return r
	}
	now := &m.reading
	r.Source, r.DriverVersion, r.KernelModuleVersion, r.NVMLVersion, r.CUDAVersion = now.Source, now.Driver, now.KernelModule, now.NVML, now.CUDA
	for _, c := range now.Conditions {
		r.Conditions = append(r.Conditions, wire.GPUCondition{Code: string(c.Code), Message: c.Message})
	}
	if m.late() {
		return r
	}
	for i := range now.Devices[:min(len(now.Devices), maxCards)] {
		card := cardOf(&now.Devices[i])
		if Real(now.Source) {
			card.UnaccountedBytes, card.UnaccountedKnown = unaccounted(&now.Devices[i])
		}
		r.Cards = append(r.Cards, card)
	}
	return r
}

func cardOf(d *gpu.Device) wire.GPUCard {
	card := wire.GPUCard{
		UUID: d.UUID, Address: d.Address, Serial: d.Serial, VBIOS: d.VBIOS,
		Architecture: d.Architecture, ComputeCapability: d.ComputeCapability, Figures: figuresOf(d),
	}
	for _, p := range d.Processes[:min(len(d.Processes), maxProcesses)] {
		card.Processes = append(card.Processes, wire.GPUProcess{
			PID: p.PID, Kind: string(p.Kind), MemoryKnown: p.MemoryBytes.Known, MemoryBytes: p.MemoryBytes.V,
		})
	}
	for _, p := range d.Parts[:min(len(d.Parts), maxParts)] {
		card.Parts = append(card.Parts, wire.GPUPart{
			UUID: p.UUID, Name: p.Name, MemoryKnown: p.MemoryTotalBytes.Known && p.MemoryUsedBytes.Known,
			TotalBytes: p.MemoryTotalBytes.V, UsedBytes: p.MemoryUsedBytes.V,
		})
	}
	return card
}

// unaccounted returns the memory in use that no process accounts for, as one that
// ended without giving it back, or one in a container that the driver does not
// list. It is not known where a process does not tell how much it has, or a card
// does not tell of its processes.
func unaccounted(d *gpu.Device) (bytes uint64, known bool) {
	if !d.MemoryUsedBytes.Known || hidesProcesses(d) {
		return 0, false
	}
	seen := map[uint32]uint64{} // one that computes and draws is listed twice with all that it has
	for _, p := range d.Processes {
		if !p.MemoryBytes.Known {
			return 0, false
		}
		seen[p.PID] = max(seen[p.PID], p.MemoryBytes.V)
	}
	sum := uint64(0)
	for _, bytes := range seen {
		sum += bytes
	}
	return d.MemoryUsedBytes.V - min(sum, d.MemoryUsedBytes.V), true
}

// fingerprint changes with all that a report says but for numbers.
func (m *Monitor) fingerprint() uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	text := func(s string) {
		h.WriteString(s)
		h.WriteByte(0)
	}
	text(m.state.state)
	text(m.state.sentence)
	maphash.WriteComparable(&h, m.released.UnixMilli())
	maphash.WriteComparable(&h, len(m.events))
	if n := len(m.events); n > 0 {
		maphash.WriteComparable(&h, m.events[n-1].UnixMillis)
	}
	if m.taken.IsZero() {
		return h.Sum64()
	}
	text(m.reading.Driver)
	text(m.reading.KernelModule)
	for _, c := range m.reading.Conditions {
		text(string(c.Code))
	}
	for i := range m.reading.Devices {
		d := &m.reading.Devices[i]
		text(d.UUID)
		text(string(d.Health))
		text(d.Message)
		for _, p := range d.Processes {
			maphash.WriteComparable(&h, p.PID)
		}
	}
	return h.Sum64()
}

// note keeps the latest events.
func (m *Monitor) note(events []gpu.Event) {
	for i := range events {
		e := eventOf(&events[i])
		m.Log.Warn("gpu event", "at", events[i].At.UTC().Format(time.RFC3339), "gpu", e.UUID, "pci_address", e.Address, "xid", e.Xid, "name", e.Name, "advice", e.Advice)
		m.events = append(m.events, e)
	}
	m.events = m.events[max(len(m.events)-keptEvents, 0):]
}
