package storm

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// catalogue are the models that simulated hosts may hold, as Ollama lists them.
// It is never written to.
var catalogue = [...]struct {
	name, family, parameters, quantization string
	sizeBytes                              uint64
}{
	{"llama3.1:8b", "llama", "8.0B", "Q4_K_M", 4_920_753_328},
	{"qwen2.5:32b", "qwen2", "32.8B", "Q4_K_M", 19_851_349_856},
	{"gemma3:27b", "gemma3", "27.4B", "Q4_K_M", 17_396_936_941},
	{"llama3.3:70b", "llama", "70.6B", "Q4_K_M", 42_520_413_916},
	{"mistral-small:24b", "llama", "23.6B", "Q4_K_M", 14_333_922_849},
	{"phi4:14b", "phi3", "14.7B", "Q4_K_M", 9_053_116_391},
	{"deepseek-r1:14b", "qwen2", "14.8B", "Q4_K_M", 8_988_112_209},
	{"qwen2.5-coder:7b", "qwen2", "7.6B", "Q4_K_M", 4_683_087_590},
}

const (
	// contextLength is how many tokens a loaded model holds.
	contextLength = 8192
	// loadedFor is how long a loaded model says that it stays.
	loadedFor = 24 * time.Hour
	// idleEvery leaves one host of so many without a model.
	idleEvery = 4
)

// modelsOf returns what the nth host holds, two or three of the first kinds of
// the catalogue, and what of it is in memory.
func modelsOf(n, kinds int, started time.Time) (held []wire.Model, loaded []wire.LoadedModel) {
	if n%idleEvery == idleEvery-1 {
		return nil, nil
	}
	for i := range min(kinds, 2+n%2) {
		c := &catalogue[(n+i)%kinds]
		sum := sha256.Sum256([]byte(c.name))
		m := wire.Model{
			Name: c.name, Digest: hex.EncodeToString(sum[:]), SizeBytes: c.sizeBytes, Format: "gguf", Family: c.family,
			ParameterSize: c.parameters, Quantization: c.quantization, ModifiedUnixMillis: started.Add(-loadedFor).UnixMilli(),
		}
		held = append(held, m)
		if i <= n%3 {
			inMemory := m.SizeBytes + m.SizeBytes/5 // with its context
			loaded = append(loaded, wire.LoadedModel{
				Name: m.Name, Digest: m.Digest, SizeBytes: inMemory, SizeVRAMBytes: inMemory,
				ContextLength: contextLength, ExpiresUnixMillis: started.Add(loadedFor).UnixMilli(),
			})
		}
	}
	return held, loaded
}
