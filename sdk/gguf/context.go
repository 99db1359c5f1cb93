package gguf

// DefaultContextTokens returns how long a context Ollama gives a model when nobody says, by
// the memory of all of the host's GPUs together. It takes less than that for a model that
// was trained on less.
func DefaultContextTokens(gpuBytes uint64) uint64 {
	// Ollama's steps are 48 and 24 GiB, less what such cards lack of it.
	const gib = 1 << 30
	switch {
	case gpuBytes >= 47*gib:
		return 262_144
	case gpuBytes >= 23*gib:
		return 32_768
	}
	return 4096
}
