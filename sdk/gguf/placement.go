package gguf

import (
	"cmp"
	"slices"
)

// needs are what has to be put somewhere: parts, each of them as a whole, and what comes
// with them.
type needs struct {
	parts          []need // the layers, and the output last
	hostBytes      uint64 // what always stays in the host's memory
	compute        computeSize
	projectorBytes uint64
	overheadBytes  uint64 // of each GPU
}

type need struct{ weightsBytes, cacheBytes uint64 }

// addWeights takes over a model's weights with so many layers. Layers beyond them count
// with the last.
func (n *needs) addWeights(w Weights, layers int) {
	n.parts = make([]need, layers+1)
	n.hostBytes = w.TokenEmbeddingBytes
	for i, l := range w.Layers {
		p := &n.parts[min(i, layers-1)]
		p.weightsBytes = sum(p.weightsBytes, l.Bytes())
	}
	output := &n.parts[layers]
	output.weightsBytes = sum(w.OutputBytes, w.OtherBytes)
	if w.TiedOutput {
		output.weightsBytes = sum(output.weightsBytes, w.TokenEmbeddingBytes)
	}
}

// addAdapter adds the weights of an adapter to the layers that it changes.
func (n *needs) addAdapter(w Weights) {
	layers := len(n.parts) - 1
	for i, l := range w.Layers {
		p := &n.parts[min(i, layers-1)]
		p.weightsBytes = sum(p.weightsBytes, l.Bytes())
	}
	n.parts[layers].weightsBytes = sum(n.parts[layers].weightsBytes, w.OutputBytes, w.OtherBytes, w.TokenEmbeddingBytes)
}

// place puts the parts on GPUs, on one alone where it has room for all.
func (n needs) place(gpus []GPU) Estimate {
	e := Estimate{GPUs: make([]GPUEstimate, len(gpus))}
	for i, g := range gpus {
		e.GPUs[i] = GPUEstimate{ID: g.ID, FreeBytes: g.FreeBytes, Alone: n.alone(g)}
	}
	order := make([]int, len(gpus))
	for i := range order {
		order[i] = i
	}
	// The GPU with most room comes first: when all fits on one, it fits there.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(gpus[b].FreeBytes, gpus[a].FreeBytes) })
	rest := len(n.parts)
	for _, i := range order {
		rest = n.fill(&e.GPUs[i], rest)
	}
	e.GPULayers = len(n.parts) - rest
	n.addUp(&e, rest)
	return e
}

// alone says whether a GPU would do without others.
func (n needs) alone(g GPU) Verdict {
	e := GPUEstimate{FreeBytes: g.FreeBytes}
	switch n.fill(&e, len(n.parts)) {
	case 0:
		return Fits
	case len(n.parts):
		return No
	}
	return Spills
}

// fill puts as many parts on a GPU as it has room for, of the first rest ones from the end
// on, as engines do: the output is wanted there first. It returns how many are left.
func (n needs) fill(g *GPUEstimate, rest int) int {
	first := rest == len(n.parts)
	fixed := GPUEstimate{OverheadBytes: n.overheadBytes, ComputeBytes: n.compute.layersBytes}
	if first {
		fixed.ComputeBytes = max(n.compute.layersBytes, n.compute.outputBytes)
		fixed.ProjectorBytes = n.projectorBytes
	}
	total := sum(fixed.OverheadBytes, fixed.ComputeBytes, fixed.ProjectorBytes)
	for ; rest > 0; rest-- {
		p := n.parts[rest-1]
		with := sum(total, p.weightsBytes, p.cacheBytes)
		if with > g.FreeBytes {
			break
		}
		total = with
		g.WeightsBytes, g.CacheBytes = sum(g.WeightsBytes, p.weightsBytes), sum(g.CacheBytes, p.cacheBytes)
		g.Layers++
	}
	if g.Layers > 0 {
		g.OverheadBytes, g.ComputeBytes, g.ProjectorBytes = fixed.OverheadBytes, fixed.ComputeBytes, fixed.ProjectorBytes
		g.TotalBytes = total
	}
	return rest
}

// addUp adds up what is where, with the first rest parts in the host's memory.
func (n needs) addUp(e *Estimate, rest int) {
	for _, g := range e.GPUs {
		e.GPUBytes = sum(e.GPUBytes, g.TotalBytes)
		e.ComputeBytes = sum(e.ComputeBytes, g.ComputeBytes)
		e.OverheadBytes = sum(e.OverheadBytes, g.OverheadBytes)
	}
	e.WeightsBytes, e.ProjectorBytes = n.hostBytes, n.projectorBytes
	for _, p := range n.parts {
		e.WeightsBytes, e.CacheBytes = sum(e.WeightsBytes, p.weightsBytes), sum(e.CacheBytes, p.cacheBytes)
	}
	e.HostBytes = n.hostBytes
	for _, p := range n.parts[:rest] {
		e.HostBytes = sum(e.HostBytes, p.weightsBytes, p.cacheBytes)
	}
	if rest > 0 {
		// The host computes as well.
		compute := n.compute.layersBytes
		if rest == len(n.parts) {
			compute = max(compute, n.compute.outputBytes)
			e.HostBytes = sum(e.HostBytes, n.projectorBytes)
		}
		e.ComputeBytes = sum(e.ComputeBytes, compute)
		e.HostBytes = sum(e.HostBytes, compute)
	}
	e.TotalBytes = sum(e.GPUBytes, e.HostBytes)
}
