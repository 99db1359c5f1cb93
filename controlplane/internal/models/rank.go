package models

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/loader"
)

// candidate is a host that could get a model now.
type candidate struct {
	host     fleet.HostView
	has      bool
	based    bool  // has what the model is based on
	misfit   int   // 0 where it fits on the GPUs, more where it does worse
	outgrown bool  // its Ollama doesn't make such models any more
	spill    int64 // bytes that the GPUs have no room for
	models   int
}

// requires returns the version of Ollama from which on a model can be run, "" where nobody
// says it.
func (s *Service) requires(m *fleet.StoredModel) string {
	var wanted loader.Options
	if len(m.Options) > 0 && json.Unmarshal(m.Options, &wanted) == nil && wanted.Requires != "" {
		return wanted.Requires
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.said[fleet.CanonicalModel(m.Name)].Requires
}

// rank returns the hosts that could get a model now, the best first: those that have it,
// those whose Ollama still makes such models, those that have what it is based on, then by
// how well it fits there, then by how few models they are to have, so that a fleet fills
// evenly.
func (s *Service) rank(m *fleet.StoredModel, hosts []fleet.HostView) []fleet.HostView {
	size := m.SizeBytes()
	whole := m // of what is in memory most is the model beneath
	base := s.base(m)
	if base != nil {
		whole = base
	}
	model, err := fit.ReadModel(whole)
	if err != nil {
		model = nil // its size has to do
	}
	oldest := s.requires(m)
	var info loader.Info
	if len(m.Info) > 0 && json.Unmarshal(m.Info, &info) != nil {
		info = loader.Info{} // as if nothing were known of it
	}
	var list []candidate
	for i := range hosts {
		h := &hosts[i]
		in := instanceNamed(h, instanceOf(h))
		if !h.State.Reachable() || h.Draining || in == nil || !in.Serves() || olderThan(h, oldest) {
			continue
		}
		_, has := modelOn(in, m.Name)
		c := candidate{host: *h, has: has, outgrown: loader.Outgrown(in.Version, &info, m.Quantize), models: s.wantedThere(h.ID) + len(in.Models)}
		needs := size
		if base != nil {
			if _, c.based = modelOn(in, base.Name); !c.based {
				needs += base.SizeBytes()
			}
		}
		if free, known := freeDisk(h, in); known && !has && free < needs {
			continue
		}
		c.misfit, c.spill = s.misfit(model, h, size)
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(-compareBool(a.has, b.has), compareBool(a.outgrown, b.outgrown), -compareBool(a.based, b.based), cmp.Compare(a.misfit, b.misfit), cmp.Compare(a.spill, b.spill),
			cmp.Compare(a.models, b.models), cmp.Compare(a.host.Name, b.host.Name))
	})
	ranked := make([]fleet.HostView, len(list))
	for i := range list {
		ranked[i] = list[i].host
	}
	return ranked
}

// base returns the model of the catalogue that a model is based on, nil for none.
func (s *Service) base(m *fleet.StoredModel) *fleet.StoredModel {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if base, stored := s.models[basedOn(m)]; stored {
		return &base
	}
	return nil
}

// misfit returns how badly a model fits on a host, and how much of it would be in main
// memory. A nil model is one of which its size alone is known.
func (s *Service) misfit(model *fit.Model, h *fleet.HostView, sizeBytes int64) (misfit int, spill int64) {
	const spills, no = 1, 2
	if model != nil {
		on := hostFor(h)
		switch verdict, spill, err := model.VerdictOn(&on, &s.measured); {
		case err != nil, verdict == fit.Unknown: // as if nothing were known of the model either
		case verdict == fit.Fits:
			return 0, 0
		case verdict == fit.No:
			return no, spill
		default:
			return spills, spill
		}
	}
	if spill = max(0, sizeBytes-freeGPUMemory(h)); spill > 0 {
		return spills, spill
	}
	return 0, 0
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
	for _, at := range s.placesOn(hostID) {
		if s.placed[at].Wanted {
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

// freeDisk returns the room on the disk on which an Ollama has its models or, where that
// isn't known, on the largest of the host's: the fullest guess.
func freeDisk(h *fleet.HostView, in *fleet.Instance) (bytes int64, known bool) {
	if h.Sample == nil {
		return 0, false
	}
	if in.Settings != nil && in.Settings.ModelsDir != "" {
		if d := diskOf(h.Sample.Disks, in.Settings.ModelsDir); d != nil {
			return d.FreeBytes, true
		}
	}
	for _, d := range h.Sample.Disks {
		bytes, known = max(bytes, d.FreeBytes), true
	}
	return bytes, known
}

// diskOf returns the disk that has a folder: the one mounted nearest above it.
func diskOf(disks []fleet.Disk, dir string) *fleet.Disk {
	var on *fleet.Disk
	for i := range disks {
		d := &disks[i]
		above := strings.TrimSuffix(d.Mount, "/") + "/"
		if strings.HasPrefix(dir+"/", above) && (on == nil || len(d.Mount) > len(on.Mount)) {
			on = d
		}
	}
	return on
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
