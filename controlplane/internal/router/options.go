package router

import "fmt"

// option is one of the options that a runner is loaded with. A request that
// wants another value than the runner was loaded with makes Ollama unload it,
// once all that it works on is done, and load the model anew.
type option uint8

// The options, which are those of the runner in Ollama's API.
const (
	numCtx option = iota
	numBatch
	numGPU
	mainGPU
	numThread
	options // how many there are, of numbers
)

var optionNames = [options]string{"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread"}

// ollamaDefaults are the values of options that nobody sets, but for the context,
// whose length depends on the host.
var ollamaDefaults = [options]int32{numBatch: 512, numGPU: -1}

// minContext is the shortest context that Ollama makes, in tokens.
const minContext = 4

// runnerOptions are those options that a request sets. The zero value sets none.
type runnerOptions struct {
	given  [options]bool
	values [options]int32
	mmap   uint8 // 0 not set, 1 no, 2 yes
}

func (o *runnerOptions) set(which option, value int) {
	if which == numCtx {
		value = max(value, minContext)
	}
	o.given[which], o.values[which] = true, int32(value)
}

func (o *runnerOptions) setMMap(on bool) {
	o.mmap = 1
	if on {
		o.mmap = 2
	}
}

// needsReload reports whether a runner that was loaded with one set of options
// has to be loaded anew for another. It is Ollama's own rule, less what no
// request can change: the model's adapters and projectors. A model's own
// defaults are not known here; where one differs from Ollama's, a request that
// spells out Ollama's is taken for one that changes nothing.
// ContextLength is the runner's as its host told it, 0 when unknown.
func needsReload(loaded, asked *runnerOptions, contextLength int) bool {
	if *loaded == *asked {
		return false
	}
	if loaded.mmap != asked.mmap {
		return true
	}
	for o := numBatch; o < options; o++ {
		have, want := loaded.valueOf(o), asked.valueOf(o)
		if o == numGPU && want < 0 {
			continue // whatever fits
		}
		if have != want {
			return true
		}
	}
	return otherContext(loaded, asked, contextLength)
}

func otherContext(loaded, asked *runnerOptions, contextLength int) bool {
	switch {
	case loaded.given[numCtx] && asked.given[numCtx]:
		return loaded.values[numCtx] != asked.values[numCtx]
	case asked.given[numCtx]:
		// The default's length is known once it is loaded.
		return contextLength == 0 || int(asked.values[numCtx]) != contextLength
	}
	return loaded.given[numCtx]
}

// mayNeedReload is needsReload for a runner of which nothing is known but its
// context, because somebody else had it loaded.
func mayNeedReload(asked *runnerOptions, contextLength int) bool {
	return contextLength > 0 && asked.given[numCtx] && int(asked.values[numCtx]) != contextLength
}

func (o *runnerOptions) valueOf(which option) int32 {
	if o.given[which] {
		return o.values[which]
	}
	return ollamaDefaults[which]
}

// list returns the options as an operator knows them.
func (o *runnerOptions) list() []string {
	var out []string
	for i, given := range o.given {
		if given {
			out = append(out, fmt.Sprintf("%s=%d", optionNames[i], o.values[i]))
		}
	}
	if o.mmap > 0 {
		out = append(out, fmt.Sprintf("use_mmap=%t", o.mmap == 2))
	}
	return out
}
