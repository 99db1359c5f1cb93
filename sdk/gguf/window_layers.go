package gguf

// windowPattern says which layers of an architecture look back only so far, where its
// files don't say it: all but one in so many.
type windowPattern struct {
	every     uint64 // one of so many layers looks back to the start
	first     bool   // it is the first of them and not the last
	otherwise uint64 // the window where files don't have it; 0 is none
}

// windowPatternOf returns what llama.cpp and Ollama know of architectures. One that is
// missing here has no window that an engine would keep to, whatever its files say.
func windowPatternOf(architecture string, layers uint64) (windowPattern, bool) {
	switch architecture {
	case "gemma2":
		return windowPattern{every: 2, otherwise: 4096}, true
	case "gpt-oss", "gptoss":
		return windowPattern{every: 2}, true
	case "afmoe", "cohere2", "mellum", "muse-glimmer", "olmo2", "olmo3":
		return windowPattern{every: 4}, true
	case "exaone4":
		if layers == 64 { // the smaller ones look back to the start
			return windowPattern{every: 4, otherwise: 4096}, true
		}
	case "exaone-moe":
		return windowPattern{every: 4, otherwise: 128}, true
	case "llama4":
		return windowPattern{every: 4, otherwise: 8192}, true
	case "cohere2moe", "laguna":
		return windowPattern{every: 4, first: true}, true
	case "smallthinker":
		return windowPattern{every: 4, first: true, otherwise: 4096}, true
	case "gemma3n":
		return windowPattern{every: 5}, true
	case "gemma3":
		return windowPattern{every: 6}, true
	case "plamo3":
		return windowPattern{every: 8}, true
	}
	return windowPattern{}, false
}

// windows returns how many tokens each layer looks back; 0 is to the start.
func (h *Header) windows(layers uint64) []uint64 {
	all := make([]uint64, layers)
	known, has := windowPatternOf(h.Architecture(), layers)
	window, declared := h.Metadata.Uint(h.key("attention.sliding_window"))
	if !declared {
		window = known.otherwise
	}
	if window == 0 {
		return all
	}
	pattern, declared := h.Metadata.Uints(h.key("attention.sliding_window_pattern"))
	switch {
	case declared && len(pattern) > 1: // for each layer, whether it has a window
		for i := range min(len(all), len(pattern)) {
			if pattern[i] != 0 {
				all[i] = window
			}
		}
		return all
	case declared && len(pattern) == 1:
		known.every = pattern[0]
	case !has:
		return all
	}
	for i := range all {
		if known.windowed(uint64(i)) {
			all[i] = window
		}
	}
	return all
}

// windowed says whether a layer has a window.
func (p windowPattern) windowed(layer uint64) bool {
	switch {
	case p.every == 0:
		return true
	case p.first:
		return layer%p.every != 0
	}
	return layer%p.every != p.every-1
}
