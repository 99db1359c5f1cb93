package ollama

import (
	"fmt"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// mostlyOnGPU is the part of a model, in percent, that counts as all of it: Ollama
// leaves a few tensors in main memory by itself.
const mostlyOnGPU = 80

// fallback notices models that are in main memory although they would fit on the
// GPUs: Ollama loads them so without a word when it doesn't find the driver, as
// after the driver's upgrade, after a suspension or when it starts before the
// driver at boot. It is used by one goroutine.
type fallback struct {
	since map[string]time.Time // by the model's digest
}

func (f *fallback) forget() { f.since = nil }

// judge returns a sentence for the first such model, and "" while there is none
// for sure: it has to have been so for a while, as there is less room while another
// model is being loaded. Where there is no room any more, nothing is certain.
func (f *fallback) judge(now time.Time, hold time.Duration, freeBytes uint64, loaded []wire.LoadedModel) string {
	before := f.since
	f.since = map[string]time.Time{}
	sentence := ""
	for i := range loaded {
		m := &loaded[i]
		if m.SizeBytes == 0 || m.SizeVRAMBytes >= m.SizeBytes/100*mostlyOnGPU || freeBytes <= m.SizeBytes {
			continue
		}
		since, ok := before[m.Digest]
		if !ok {
			since = now
		}
		f.since[m.Digest] = since
		if sentence == "" && now.Sub(since) >= hold {
			sentence = fallbackSentence(m)
		}
	}
	return sentence
}

// fallbackSentence has no numbers that move by themselves.
func fallbackSentence(m *wire.LoadedModel) string {
	const gib = 1 << 30
	where := "in main memory alone"
	if m.SizeVRAMBytes > 0 {
		where = fmt.Sprintf("on a GPU to %d %%", m.SizeVRAMBytes*100/m.SizeBytes)
	}
	return fmt.Sprintf("The model %s is %s, although the GPUs have room for its %.1f GiB, so that it answers slowly. Unless that is wanted (by num_gpu or models.gpu_enabled), Ollama did not find the GPUs when it loaded the model: restart it.",
		m.Name, where, float64(m.SizeBytes)/gib)
}
