package fit

import (
	"cmp"
	"math"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/gguf"
)

// Verdict is whether a model fits on a host.
type Verdict string

// The verdicts, the best first.
const (
	Fits    Verdict = "fits"    // it runs on GPUs alone
	Spills  Verdict = "spills"  // a part or all of it runs slowly, from the host's main memory
	Unknown Verdict = "unknown" // it is not known what the host has free
	No      Verdict = "no"      // there isn't the memory for it
)

// Source is where figures come from.
type Source string

// The sources.
const (
	Estimated Source = "estimated" // worked out from the header, and corrected by other models' measurements
	Measured  Source = "measured"  // this model was loaded on this host with this context
)

// Ask is how a model is to run.
type Ask struct {
	ContextTokens uint64 // of each request; 0 is what the host's Ollama takes by itself
	Parallel      uint64 // requests at a time; 0 is as the host has it, or 1
	// CacheType is how keys and values are kept; empty is as the host's Ollama does it.
	CacheType gguf.CacheType
}

// Fit is whether a model fits on a host, and what it takes there.
type Fit struct {
	HostID   string  `json:"host_id"`
	Host     string  `json:"host"`
	Instance string  `json:"instance,omitempty"`
	Verdict  Verdict `json:"verdict"`
	Reason   string  `json:"reason"` // a sentence
	Source   Source  `json:"source"`

	ContextTokens int64  `json:"context"` // of each request
	Parallel      int64  `json:"parallel"`
	CacheType     string `json:"cache_type"` // of keys and values
	// LongestContextTokens is the longest context of each request with which the model
	// fits on the GPUs alone; 0 where there is none, or none is known.
	LongestContextTokens int64 `json:"longest_context"`

	// What it needs in all, wherever that is. TotalBytes is the sum of the others.
	WeightsBytes   int64 `json:"weights"`
	CacheBytes     int64 `json:"cache"` // of keys and values
	ComputeBytes   int64 `json:"compute"`
	ProjectorBytes int64 `json:"projector,omitempty"`
	OverheadBytes  int64 `json:"overhead,omitempty"` // of the runtime, on all GPUs that are used
	// CorrectionBytes is what measurements say that it will take beyond that; it may be
	// negative.
	CorrectionBytes int64 `json:"correction,omitempty"`
	TotalBytes      int64 `json:"total"`
	// MeasuredBytes is what the host's Ollama said that it takes; 0 where it was not
	// measured.
	MeasuredBytes int64 `json:"measured,omitempty"`

	GPUBytes        int64 `json:"on_gpus"` // of the total
	MainMemoryBytes int64 `json:"in_main_memory"`
	FreeBytes       int64 `json:"free"` // on all GPUs
	GPUs            []GPU `json:"gpus"`
}

// GPU is what a model would take of one GPU.
type GPU struct {
	ID           string `json:"id"`
	FreeBytes    int64  `json:"free"`
	MemoryBytes  int64  `json:"memory"` // that it has
	TotalBytes   int64  `json:"total"`  // that the model would take; corrected
	WeightsBytes int64  `json:"weights"`
	CacheBytes   int64  `json:"cache"`
	ComputeBytes int64  `json:"compute"`
	Layers       int    `json:"layers"`
}

// On works out whether the model fits on a host. It fails with fault.Invalid where the
// model's header contradicts itself.
func (m *Model) On(h *Host, a Ask, seen *Measurements) (Fit, error) {
	l, isLoaded := h.loadedNow(m)
	o := h.options(m, a)
	if isLoaded {
		o.GPUs = h.without(&l)
	}
	f := Fit{HostID: h.ID, Host: h.Name, Instance: h.Instance, Source: Estimated, GPUs: []GPU{}}
	plain, err := gguf.EstimateMemory(m.header, o)
	if err != nil {
		return f, err
	}
	f.ContextTokens, f.Parallel, f.CacheType = whole(plain.ContextTokens), whole(plain.Parallel), string(o.CacheType)
	asked := how{h.Instance, fleet.CanonicalModel(m.name), m.digest, plain.ContextTokens, plain.Parallel}
	learnt := seen.learnt(h.ID, m.architecture)
	factor := learnt
	asItIs := o.CacheType == h.options(m, Ask{}).CacheType // it was measured with no other
	if was, measured := seen.of(h.ID, asked); measured && asItIs && was.factor > 0 && m.digest != "" {
		f.Source, f.MeasuredBytes = Measured, was.bytes
		factor = correction(uint64(was.bytes), &plain)
	}
	e, err := gguf.EstimateMemory(m.header, smaller(o, factor))
	if err != nil {
		return f, err
	}
	f.take(&e, o.GPUs, factor)
	if h.Unknown == "" {
		f.Verdict, f.Reason = Verdict(e.Verdict), f.reason(h, &e)
		var longest uint64
		longest, err = gguf.LongestContextTokens(m.header, smaller(o, learnt))
		f.LongestContextTokens = whole(longest)
	} else {
		f.Verdict, f.Reason = Unknown, "it needs "+size(f.TotalBytes)+"; "+h.Unknown
		f.GPUBytes, f.MainMemoryBytes, f.FreeBytes, f.GPUs = 0, 0, 0, []GPU{} // nobody knows where it would be
	}
	if isLoaded && f.Source == Measured && h.how(&l) == asked {
		f.isThere(&l)
	}
	return f, err
}

// VerdictOn is [Model.On] without figures, but for what would be in main memory.
func (m *Model) VerdictOn(h *Host, seen *Measurements) (v Verdict, mainMemoryBytes int64, err error) {
	factor := seen.learnt(h.ID, m.architecture)
	e, err := gguf.EstimateMemory(m.header, smaller(h.options(m, Ask{}), factor))
	if err != nil {
		return Unknown, 0, err
	}
	if h.Unknown != "" {
		return Unknown, 0, nil
	}
	return Verdict(e.Verdict), times(e.HostBytes, factor), nil
}

// options are what a model runs with on the host.
func (h *Host) options(m *Model, a Ask) gguf.Options {
	return gguf.Options{
		ContextTokens: cmp.Or(a.ContextTokens, h.contextTokens()), Parallel: cmp.Or(a.Parallel, h.Parallel, 1),
		CacheType: cmp.Or(a.CacheType, h.CacheType, gguf.CacheF16), WithoutFlashAttention: h.WithoutFlashAttention,
		KeepsLatentValues: h.before("0.30.0"), GPUs: h.GPUs, HostFreeBytes: h.MainMemoryFreeBytes,
		OverheadBytes: gguf.DefaultOverheadBytes, Projector: m.projector, Adapters: m.adapters,
	}
}

// smaller returns options in which memory is smaller by a factor, in place of a model that
// is larger by it. The runtime takes what it takes.
func smaller(o gguf.Options, factor float64) gguf.Options {
	if factor == 1 {
		return o
	}
	less := func(n uint64) uint64 { return uint64(float64(min(n, 1<<62)) / factor) }
	o.GPUs = slices.Clone(o.GPUs)
	for i, g := range o.GPUs {
		o.GPUs[i].FreeBytes = less(g.FreeBytes-min(g.FreeBytes, o.OverheadBytes)) + min(g.FreeBytes, o.OverheadBytes)
	}
	if o.HostFreeBytes > 0 {
		o.HostFreeBytes = max(less(o.HostFreeBytes), 1) // 0 would be unknown
	}
	return o
}

// take takes over an estimate that was made with smaller memory.
func (f *Fit) take(e *gguf.Estimate, gpus []gguf.GPU, factor float64) {
	f.WeightsBytes, f.CacheBytes, f.ComputeBytes = whole(e.WeightsBytes), whole(e.CacheBytes), whole(e.ComputeBytes)
	f.ProjectorBytes, f.OverheadBytes = whole(e.ProjectorBytes), whole(e.OverheadBytes)
	for i, g := range e.GPUs {
		taken := times(g.TotalBytes-g.OverheadBytes, factor) + whole(g.OverheadBytes)
		f.GPUs = append(f.GPUs, GPU{
			ID: g.ID, FreeBytes: whole(gpus[i].FreeBytes), MemoryBytes: whole(gpus[i].TotalBytes), TotalBytes: taken,
			WeightsBytes: whole(g.WeightsBytes), CacheBytes: whole(g.CacheBytes), ComputeBytes: whole(g.ComputeBytes), Layers: g.Layers,
		})
		f.GPUBytes += taken
		f.FreeBytes += whole(gpus[i].FreeBytes)
	}
	f.MainMemoryBytes = times(e.HostBytes, factor)
	f.TotalBytes = f.GPUBytes + f.MainMemoryBytes
	f.CorrectionBytes = f.TotalBytes - f.WeightsBytes - f.CacheBytes - f.ComputeBytes - f.ProjectorBytes - f.OverheadBytes
}

// isThere says how the model is that is loaded with just these options.
func (f *Fit) isThere(l *fleet.LoadedModel) {
	f.Verdict, f.Reason = Fits, "it is loaded there, with all of its "+size(l.SizeBytes)+" on GPUs"
	if l.SizeVRAMBytes < l.SizeBytes {
		f.Verdict = Spills
		f.Reason = "it is loaded there, with " + size(l.SizeBytes-l.SizeVRAMBytes) + " of its " + size(l.SizeBytes) + " in the host's main memory"
	}
}

// maxBytes is beyond what any machine has, and some of it can still be added up.
const maxBytes = 1 << 58

func whole(n uint64) int64 { return int64(min(n, maxBytes)) }

func times(n uint64, factor float64) int64 {
	if factor == 1 {
		return whole(n)
	}
	return int64(math.Floor(min(float64(n)*factor, maxBytes)))
}
