package fit

import (
	"slices"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/gguf"
)

const (
	// maxCorrection is how far what was measured may change an estimate, up or down. What
	// differs by more was not the same thing: a model with other options, say.
	maxCorrection = 2
	// maxPerHost is how much is remembered of a host, which is enough for each of its
	// models with some contexts.
	maxPerHost = 64
)

// Measurements are what models were seen to take on hosts, as their Ollamas say it
// (/api/ps). They are kept in memory, and made anew as models are loaded after a restart.
// Their methods may be called concurrently; the zero value is ready to use.
type Measurements struct {
	mu    sync.RWMutex
	hosts map[string][]measurement // by the host's id, the oldest first
}

// how is how a model was loaded.
type how struct {
	instance, model, digest string // the canonical name
	contextTokens, parallel uint64
}

type measurement struct {
	how

	bytes        int64
	architecture string
	// factor is by how much the estimate was too small; 0 where there was none.
	factor float64
}

// Has reports whether a model that is loaded was noted as it is now.
func (s *Measurements) Has(h *Host, l *fleet.LoadedModel) bool {
	m, ok := s.of(h.ID, h.how(l))
	return ok && m.bytes == l.SizeBytes
}

// Note notes what a model takes that is loaded. A nil model is one of which nothing can
// be learnt.
func (s *Measurements) Note(h *Host, l *fleet.LoadedModel, m *Model) {
	now := measurement{how: h.how(l), bytes: l.SizeBytes}
	if m != nil {
		now.architecture = m.architecture
		now.factor = m.factor(h, l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts == nil {
		s.hosts = map[string][]measurement{}
	}
	list := slices.DeleteFunc(s.hosts[h.ID], func(old measurement) bool { return old.how == now.how })
	if len(list) >= maxPerHost {
		list = slices.Delete(list, 0, len(list)-maxPerHost+1)
	}
	s.hosts[h.ID] = append(list, now)
}

// Keep forgets the hosts of which is says no.
func (s *Measurements) Keep(is func(hostID string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.hosts {
		if !is(id) {
			delete(s.hosts, id)
		}
	}
}

func (s *Measurements) of(hostID string, was how) (measurement, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, m := range s.hosts[hostID] {
		if m.how == was {
			return m, true
		}
	}
	return measurement{}, false
}

// learnt returns by what an estimate for a model of this architecture is to be multiplied
// on a host: the median of what was measured there, and 1 where nothing was.
func (s *Measurements) learnt(hostID, architecture string) float64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var factors []float64
	for _, m := range s.hosts[hostID] {
		if m.factor > 0 && m.architecture == architecture {
			factors = append(factors, m.factor)
		}
	}
	if len(factors) == 0 {
		return 1
	}
	slices.Sort(factors)
	return factors[len(factors)/2]
}

func (h *Host) how(l *fleet.LoadedModel) how {
	return how{h.Instance, fleet.CanonicalModel(l.Name), l.Digest, uint64(max(l.ContextLength, 0)), max(h.Parallel, 1)}
}

// factor returns by how much an estimate for a model as it is loaded would be too small,
// and 0 where there can be none.
func (m *Model) factor(h *Host, l *fleet.LoadedModel) float64 {
	if l.SizeBytes <= 0 || l.ContextLength <= 0 {
		return 0
	}
	o := h.options(m, Ask{ContextTokens: uint64(l.ContextLength)})
	o.GPUs = slices.Clone(o.GPUs)
	for i := range o.GPUs {
		o.GPUs[i].FreeBytes = o.GPUs[i].TotalBytes // it is on them already
	}
	e, err := gguf.EstimateMemory(m.header, o)
	if err != nil {
		return 0
	}
	return correction(uint64(l.SizeBytes), &e)
}

// correction returns by what an estimate is to be multiplied for it to be what was
// measured. Ollama's figure is without what its runtime takes, and for some engines
// without what they compute in: one that is smaller by no more than that agrees.
func correction(measuredBytes uint64, e *gguf.Estimate) float64 {
	most := e.TotalBytes - min(e.OverheadBytes, e.TotalBytes)
	least := most - min(e.ComputeBytes, most)
	factor := 1.0
	switch {
	case least == 0:
	case measuredBytes > most:
		factor = float64(measuredBytes) / float64(most)
	case measuredBytes < least:
		factor = float64(measuredBytes) / float64(least)
	}
	return min(max(factor, 1.0/maxCorrection), maxCorrection)
}
