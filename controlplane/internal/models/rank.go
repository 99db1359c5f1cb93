package models

import (
	"cmp"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// rank returns the hosts that could get a model now, the best first: those that have it,
// then by how well their GPUs' free memory takes it, then by how few models they are to
// have, so that a fleet fills evenly.
func (s *Service) rank(m *fleet.StoredModel, hosts []fleet.HostView) []fleet.HostView {
	type candidate struct {
		host   fleet.HostView
		has    bool
		spill  int64 // bytes that the GPUs have no room for
		models int
	}
	size := m.SizeBytes()
	var list []candidate
	for i := range hosts {
		h := &hosts[i]
		in := instanceNamed(h, instanceOf(h))
		if !h.State.Reachable() || h.Draining || in == nil || !in.Serves() {
			continue
		}
		_, has := modelOn(in, m.Name)
		if free, known := freeDisk(h); known && !has && free < size {
			continue
		}
		list = append(list, candidate{host: *h, has: has, spill: max(0, size-freeGPUMemory(h)), models: s.wantedThere(h.ID) + len(in.Models)})
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(-compareBool(a.has, b.has), cmp.Compare(a.spill, b.spill), cmp.Compare(a.models, b.models), cmp.Compare(a.host.Name, b.host.Name))
	})
	ranked := make([]fleet.HostView, len(list))
	for i := range list {
		ranked[i] = list[i].host
	}
	return ranked
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// wantedThere returns how many models a host is to have.
func (s *Service) wantedThere(hostID string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for at, p := range s.placed {
		if at.hostID == hostID && p.Wanted {
			n++
		}
	}
	return n
}

// freeGPUMemory returns how much memory a host's GPUs have left, 0 where that isn't known.
func freeGPUMemory(h *fleet.HostView) int64 {
	if h.Sample == nil {
		return 0
	}
	var free int64
	for _, g := range h.Sample.GPUs {
		if !g.State.Unhealthy() && g.MemoryTotalBytes != nil && g.MemoryUsedBytes != nil {
			free += max(0, *g.MemoryTotalBytes-*g.MemoryUsedBytes)
		}
	}
	return free
}

// freeDisk returns the room of the fullest guess: the largest of a host's file systems,
// since it isn't told on which of them Ollama has its models.
func freeDisk(h *fleet.HostView) (bytes int64, known bool) {
	if h.Sample == nil {
		return 0, false
	}
	for _, d := range h.Sample.Disks {
		bytes, known = max(bytes, d.FreeBytes), true
	}
	return bytes, known
}

func instanceNamed(h *fleet.HostView, name string) *fleet.Instance {
	for i := range h.Instances {
		if h.Instances[i].Name == name {
			return &h.Instances[i]
		}
	}
	return nil
}

// modelOn returns what an instance has under a name.
func modelOn(in *fleet.Instance, name string) (fleet.HostModel, bool) {
	for _, m := range in.Models {
		if fleet.SameModel(m.Name, name) {
			return m, true
		}
	}
	return fleet.HostModel{}, false
}
