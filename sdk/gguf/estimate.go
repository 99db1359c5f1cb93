package gguf

import (
	"fmt"

	"github.com/corral-fleet/corral/sdk/fault"
)

// DefaultOverheadBytes is what a runtime takes of each GPU that it uses, beside what it puts
// there: 0.3 to 0.6 GiB have been measured.
const DefaultOverheadBytes = 450 << 20

const defaultBatchTokens = 512

// Options are how and where a model is to run. The zero value is one request at a time on
// a host without GPUs.
type Options struct {
	// ContextTokens of each request; 0 is what Ollama takes by itself on these GPUs. More
	// than the model was trained on is cut to that, as Ollama does.
	ContextTokens uint64
	Parallel      uint64 // requests at a time; 0 is 1
	CacheType     CacheType
	BatchTokens   uint64 // read at a time; 0 is 512
	// WithoutFlashAttention is for GPUs that can't do it, and where it is turned off.
	WithoutFlashAttention bool
	// KeepsLatentValues is for engines that keep the values of latent attention beside its
	// keys, which have them already. Ollama's own engine does.
	KeepsLatentValues bool

	GPUs []GPU
	// HostFreeBytes is what the host's main memory has free; 0 is unknown, and taken for
	// enough.
	HostFreeBytes uint64
	// OverheadBytes is what the runtime takes of each GPU; 0 is [DefaultOverheadBytes].
	OverheadBytes uint64

	Projector *Header // of a file of its own; may be nil
	Adapters  []*Header
}

// GPU is a device with memory of its own.
type GPU struct {
	ID         string
	FreeBytes  uint64
	TotalBytes uint64 // 0 is unknown: then it is taken for FreeBytes
}

// Verdict is whether a model fits.
type Verdict string

// The verdicts.
const (
	Fits   Verdict = "fits"   // it runs on GPUs alone
	Spills Verdict = "spills" // a part or all of it runs slowly, from the host's memory
	No     Verdict = "no"     // there isn't the memory for it
)

// Estimate is how much memory a model will take. It is worked out and not measured.
type Estimate struct {
	Verdict Verdict `json:"verdict"`
	// Reason is the verdict in a sentence, with what is needed and what is free.
	Reason string `json:"reason"`

	ContextTokens uint64 `json:"context_tokens"` // of each request
	Parallel      uint64 `json:"parallel"`

	// What the model needs in all, wherever that is.
	WeightsBytes   uint64 `json:"weights"` // without the projector; what is needed twice counts twice
	CacheBytes     uint64 `json:"cache"`
	ComputeBytes   uint64 `json:"compute"` // of all GPUs that are used, or of the host
	ProjectorBytes uint64 `json:"projector,omitempty"`
	OverheadBytes  uint64 `json:"overhead,omitempty"` // of all GPUs that are used
	TotalBytes     uint64 `json:"total"`

	// GPUBytes is what of it would be on GPUs, and HostBytes in the host's memory.
	GPUBytes  uint64 `json:"gpu"`
	HostBytes uint64 `json:"host"`
	// Layers is how many the model has, the output being one more; GPULayers of them are
	// on GPUs.
	Layers    int `json:"layers"`
	GPULayers int `json:"gpu_layers"`

	GPUs []GPUEstimate `json:"gpus,omitempty"` // in the order of the options
}

// GPUEstimate is what a model would take of one GPU.
type GPUEstimate struct {
	ID string `json:"id"`
	// Alone is the verdict if there were no other GPUs.
	Alone Verdict `json:"alone"`

	FreeBytes      uint64 `json:"free"`
	Layers         int    `json:"layers"`
	WeightsBytes   uint64 `json:"weights"`
	CacheBytes     uint64 `json:"cache"`
	ComputeBytes   uint64 `json:"compute"`
	ProjectorBytes uint64 `json:"projector,omitempty"`
	OverheadBytes  uint64 `json:"overhead"`
	TotalBytes     uint64 `json:"total"`
}

// EstimateMemory works out how much memory a model takes and whether a host has it: all on
// one GPU where that is possible, else spread over them, else with the layers that don't
// fit in the host's memory. A model of several files has to be joined first ([Join]).
func EstimateMemory(h *Header, o Options) (Estimate, error) {
	return h.estimate(h.weights(), o)
}

// estimate is [EstimateMemory] with the weights of the header.
func (h *Header) estimate(w Weights, o Options) (Estimate, error) {
	if kind := h.kind(); kind != KindModel {
		return Estimate{}, fault.New(fault.Invalid, "the memory of a model can be estimated: the file is of kind %s", kind)
	}
	if s := h.split(); s != nil && uint64(len(h.Tensors)) < s.Tensors {
		return Estimate{}, fault.New(fault.Invalid, "the model has %d files: all of them are needed for an estimate", s.Count)
	}
	o = o.withDefaults(h)
	elements, err := o.CacheType.elements()
	if err != nil {
		return Estimate{}, err
	}
	layers, err := h.layers()
	if err != nil {
		return Estimate{}, err
	}
	a, err := h.attention(layers)
	if err != nil {
		return Estimate{}, err
	}
	caches, err := h.caches(a, o.KeepsLatentValues)
	if err != nil {
		return Estimate{}, err
	}
	size := cacheSize{contextTokens: o.ContextTokens, parallel: o.Parallel, batchTokens: o.BatchTokens, elements: elements}
	n := needs{compute: h.compute(a, o), overheadBytes: o.OverheadBytes, projectorBytes: o.projectorBytes(h, w)}
	n.addWeights(w, len(caches))
	for _, adapter := range o.Adapters {
		n.addAdapter(adapter.weights())
	}
	for i, c := range caches {
		n.parts[i].cacheBytes = size.bytes(c)
	}
	e := n.place(o.GPUs)
	e.ContextTokens, e.Parallel, e.Layers = o.ContextTokens, o.Parallel, len(n.parts)
	e.judge(o)
	return e, nil
}

// withDefaults fills in what the options leave open.
func (o Options) withDefaults(h *Header) Options {
	if o.ContextTokens == 0 {
		total := uint64(0)
		for _, g := range o.GPUs {
			if g.TotalBytes == 0 {
				g.TotalBytes = g.FreeBytes
			}
			total = sum(total, g.TotalBytes)
		}
		o.ContextTokens = DefaultContextTokens(total)
	}
	if trained := h.uint("context_length"); trained > 0 {
		o.ContextTokens = min(o.ContextTokens, trained)
	}
	if o.Parallel == 0 {
		o.Parallel = 1
	}
	if o.BatchTokens == 0 {
		o.BatchTokens = defaultBatchTokens
	}
	if o.OverheadBytes == 0 {
		o.OverheadBytes = DefaultOverheadBytes
	}
	return o
}

// projectorBytes returns what the parts for pictures and sound take, in the model's file
// and in one of their own.
func (o Options) projectorBytes(h *Header, w Weights) uint64 {
	total := sum(w.ProjectorBytes, h.projection())
	if o.Projector != nil {
		total = sum(total, o.Projector.weights().Bytes(), o.Projector.projection())
	}
	return total
}

// judge gives the verdict and its reason.
func (e *Estimate) judge(o Options) {
	free := uint64(0)
	for _, g := range o.GPUs {
		free = sum(free, g.FreeBytes)
	}
	hostEnough := o.HostFreeBytes == 0 || e.HostBytes <= o.HostFreeBytes
	switch {
	case e.GPULayers == e.Layers:
		e.Verdict = Fits
		e.Reason = fmt.Sprintf("it needs %s of GPU memory, of which %s are free", binaryBytes(e.GPUBytes), binaryBytes(free))
	case !hostEnough:
		e.Verdict = No
		e.Reason = fmt.Sprintf("it needs %s: GPUs would take %s of that, and the other %s are more than the %s that are free in the host's memory",
			binaryBytes(e.TotalBytes), binaryBytes(e.GPUBytes), binaryBytes(e.HostBytes), binaryBytes(o.HostFreeBytes))
	case len(o.GPUs) == 0:
		e.Verdict = Spills
		e.Reason = fmt.Sprintf("there is no GPU: it takes %s of the host's memory", binaryBytes(e.HostBytes))
	default:
		e.Verdict = Spills
		e.Reason = fmt.Sprintf("%d of %d layers don't fit in the %s that are free on GPUs: %s stay in the host's memory",
			e.Layers-e.GPULayers, e.Layers, binaryBytes(free), binaryBytes(e.HostBytes))
	}
}

// binaryBytes writes a size for people.
func binaryBytes(n uint64) string {
	const mib, gib = 1 << 20, 1 << 30
	switch {
	case n >= gib:
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	case n >= mib:
		return fmt.Sprintf("%.0f MiB", float64(n)/mib)
	}
	return fmt.Sprintf("%d bytes", n)
}
