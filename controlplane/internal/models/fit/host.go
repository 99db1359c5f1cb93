package fit

import (
	"fmt"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/gguf"
)

// Host is where a model is to run, with what is free there.
type Host struct {
	ID, Name, Instance string
	// Unknown says why it is not known what is free; empty where it is.
	Unknown string
	GPUs    []gguf.GPU // in good health
	// MainMemoryFreeBytes is what new programs could get of the host's own memory; 0 is
	// unknown.
	MainMemoryFreeBytes uint64
	Parallel            uint64 // requests that one model serves at a time; 0 is unknown
	Ollama              string // its version; empty is unknown
	// What its Ollama was started with, where that is known: how long a context it takes by
	// itself, 0 for its own; how it keeps keys and values; and that it may not compute
	// attention the quick way.
	ContextTokens         uint64
	CacheType             gguf.CacheType
	WithoutFlashAttention bool

	loaded []fleet.LoadedModel
}

// HostOf returns what is known of a host and of one of its Ollamas, which may be nil.
func HostOf(view *fleet.HostView, in *fleet.Instance) Host {
	h := Host{ID: view.ID, Name: view.Name}
	if in == nil || !view.State.Reachable() || view.Sample == nil {
		h.Unknown = "what is free there is not known: the host is " + string(view.State)
		if view.State.Reachable() {
			h.Unknown = "what is free there is not known yet"
		}
		return h
	}
	h.Instance, h.Ollama, h.loaded = in.Name, in.Version, in.Loaded
	h.Parallel = uint64(max(in.Parallel, 0))
	h.set(in.Settings)
	if m := view.Sample.Memory; m != nil {
		h.MainMemoryFreeBytes = uint64(max(m.AvailableBytes, 0))
	}
	h.addGPUs(view)
	onOthers := func(l fleet.LoadedModel) bool { return l.SizeVRAMBytes > 0 }
	if len(h.GPUs) == 0 && slices.ContainsFunc(h.loaded, onOthers) && h.Unknown == "" {
		h.Unknown = "what is free there is not known: its Ollama uses GPUs of which nothing is read"
	}
	return h
}

// set takes over what the Ollama was started with.
func (h *Host) set(s *fleet.OllamaSettings) {
	if s == nil {
		return
	}
	h.ContextTokens = uint64(max(s.ContextTokens, 0))
	h.WithoutFlashAttention = s.FlashAttention == "off"
	switch cache := gguf.CacheType(s.CacheType); cache {
	case gguf.CacheQ8_0, gguf.CacheQ4_0:
		if !h.WithoutFlashAttention { // without which Ollama keeps them as they come
			h.CacheType = cache
		}
	}
}

// addGPUs takes over what is told of the host's GPUs. Those that are said to be broken
// don't count.
func (h *Host) addGPUs(view *fleet.HostView) {
	if r := view.GPUReport; r == nil && len(view.Sample.GPUs) == 0 || r != nil && r.State != fleet.GPUsOK && r.State != fleet.GPUsNone {
		h.Unknown = "what is free there is not known: the host's GPUs are not read"
		if r != nil && r.Message != "" {
			h.Unknown += " (" + r.Message + ")"
		}
	}
	for i := range view.Sample.GPUs {
		g := &view.Sample.GPUs[i]
		switch {
		case g.State.Unhealthy():
			continue
		case g.MemoryTotalBytes == nil || g.MemoryUsedBytes == nil:
			if h.Unknown == "" {
				h.Unknown = fmt.Sprintf("what is free there is not known: GPU %d doesn't tell", g.Index)
			}
			continue
		}
		total, used := max(*g.MemoryTotalBytes, 0), max(*g.MemoryUsedBytes, 0)
		if g.MemoryReservedBytes != nil {
			used += max(*g.MemoryReservedBytes, 0)
		}
		h.GPUs = append(h.GPUs, gguf.GPU{ID: g.UUID, TotalBytes: uint64(total), FreeBytes: uint64(max(total-used, 0))})
	}
}

// loadedNow returns how a model is in memory there.
func (h *Host) loadedNow(m *Model) (fleet.LoadedModel, bool) {
	if m.digest == "" {
		return fleet.LoadedModel{}, false
	}
	for i := range h.loaded {
		if l := &h.loaded[i]; l.Digest == m.digest && fleet.SameModel(l.Name, m.name) {
			return *l, true
		}
	}
	return fleet.LoadedModel{}, false
}

// without returns the host's GPUs as they were without a model that is loaded: what it has
// would be free for itself.
func (h *Host) without(l *fleet.LoadedModel) []gguf.GPU {
	gpus := append([]gguf.GPU(nil), h.GPUs...)
	give := func(g *gguf.GPU, bytes int64) { g.FreeBytes = min(g.FreeBytes+uint64(max(bytes, 0)), g.TotalBytes) }
	if l.GPUs == nil && len(gpus) == 1 {
		give(&gpus[0], l.SizeVRAMBytes)
	}
	for _, share := range l.GPUs {
		for i := range gpus {
			if gpus[i].ID == share.UUID && share.MemoryBytes != nil {
				give(&gpus[i], *share.MemoryBytes)
			}
		}
	}
	return gpus
}

// contextTokens is how long a context the host's Ollama gives a model by itself.
func (h *Host) contextTokens() uint64 {
	if h.ContextTokens > 0 {
		return h.ContextTokens
	}
	if h.before("0.15.5") { // from there on it goes by the memory of GPUs
		return 4096
	}
	var total uint64
	for _, g := range h.GPUs {
		total += g.TotalBytes
	}
	return gguf.DefaultContextTokens(total)
}

// before reports whether the host's Ollama is known to be older than a version.
func (h *Host) before(version string) bool {
	own := "v" + h.Ollama
	return semver.IsValid(own) && own != "v0.0.0" && semver.Compare(own, "v"+version) < 0
}
