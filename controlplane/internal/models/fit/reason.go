package fit

import (
	"fmt"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// reason is the verdict in a sentence.
func (f *Fit) reason(h *Host, e *gguf.Estimate) string {
	switch {
	case e.Verdict == gguf.Fits:
		return fmt.Sprintf("it needs %s of GPU memory, of which %s are free", size(f.GPUBytes), size(f.FreeBytes))
	case e.Verdict == gguf.No && len(f.GPUs) == 0:
		return fmt.Sprintf("it needs %s: there is no GPU, and %s are free in the host's main memory", size(f.TotalBytes), size(whole(h.MainMemoryFreeBytes)))
	case e.Verdict == gguf.No:
		return fmt.Sprintf("it needs %s: GPUs, of whose memory %s are free, would take %s of that, and the other %s are more than the %s that are free in the host's main memory",
			size(f.TotalBytes), size(f.FreeBytes), size(f.GPUBytes), size(f.MainMemoryBytes), size(whole(h.MainMemoryFreeBytes)))
	case len(f.GPUs) == 0:
		return fmt.Sprintf("there is no GPU: it takes %s of the host's main memory", size(f.MainMemoryBytes))
	default:
		return fmt.Sprintf("%d of %d layers don't fit in the %s that are free on GPUs: %s stay in the host's main memory",
			e.Layers-e.GPULayers, e.Layers, size(f.FreeBytes), size(f.MainMemoryBytes))
	}
}

// size writes bytes for people.
func size(n int64) string {
	const mib, gib = 1 << 20, 1 << 30
	switch {
	case n >= gib:
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	case n >= mib:
		return fmt.Sprintf("%.0f MiB", float64(n)/mib)
	}
	return fmt.Sprintf("%d bytes", n)
}
