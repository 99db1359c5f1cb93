package ollama

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/wire"
)

// The variables that decide how much memory the contexts of a model take.
const (
	contextVariable = "OLLAMA_CONTEXT_LENGTH"
	kvCacheVariable = "OLLAMA_KV_CACHE_TYPE"
)

// shape is what of a model decides how much memory its context takes.
type shape struct {
	layers, kvHeads, keyLength, valueLength uint64
	contextLength                           uint64 // the most that it was made for
}

// shapeOf reads a model's shape from its metadata, and reports whether it is all
// there. Models whose layers differ from each other don't tell it.
func shapeOf(info map[string]json.RawMessage) (shape, bool) {
	var arch string
	if json.Unmarshal(info["general.architecture"], &arch) != nil {
		return shape{}, false
	}
	number := func(name string) uint64 {
		var n float64
		if json.Unmarshal(info[arch+"."+name], &n) != nil || n < 1 || n > math.MaxInt32 {
			return 0
		}
		return uint64(n)
	}
	s := shape{
		layers: number("block_count"), kvHeads: number("attention.head_count_kv"), contextLength: number("context_length"),
		keyLength: number("attention.key_length"), valueLength: number("attention.value_length"),
	}
	if heads := number("attention.head_count"); heads > 0 {
		each := number("embedding_length") / heads
		orDefault(&s.keyLength, each)
		orDefault(&s.valueLength, each)
	}
	return s, s.layers > 0 && s.kvHeads > 0 && s.keyLength > 0 && s.valueLength > 0
}

// contextBytes is what the contexts of a model take in memory: a key and a value
// for each token, layer and head, as the type of the cache stores them.
func (s shape) contextBytes(parallel, contextLength uint64, kvCacheType string) uint64 {
	// Quantised, 32 numbers have a scale of two bytes in common.
	bytesOf32 := map[string]uint64{"q8_0": 34, "q4_0": 18}[kvCacheType]
	orDefault(&bytesOf32, 64)
	perToken := s.layers * s.kvHeads * (s.keyLength + s.valueLength)
	return parallel * contextLength * perToken / 32 * bytesOf32
}

// contextCost says in words what a change of an environment costs in memory for
// the models that are loaded. What can't be known is left out.
func contextCost(ctx context.Context, c *client, was, is map[string]string) []string {
	loaded, err := c.loaded(ctx)
	if err != nil {
		return nil
	}
	var words []string
	for _, m := range loaded {
		info, err := c.info(ctx, m.Name)
		if err != nil {
			continue
		}
		if s, ok := shapeOf(info); ok {
			if text := s.change(m, was, is); text != "" {
				words = append(words, text)
			}
		}
	}
	return words
}

// change says in words what a change costs for one model, or nothing.
func (s shape) change(m wire.LoadedModel, was, is map[string]string) string {
	before := uint64(m.ContextLength)
	after := before
	// One that a request has set stays as it is.
	if bySetting := setting(was, contextVariable); before > 0 && was[contextVariable] != is[contextVariable] && (bySetting == 0 || s.capped(bySetting) == before) {
		after = s.capped(setting(is, contextVariable))
	}
	if before == 0 || after == 0 { // then Ollama decides
		return ""
	}
	a := s.contextBytes(max(1, setting(was, parallelVariable)), before, was[kvCacheVariable])
	b := s.contextBytes(max(1, setting(is, parallelVariable)), after, is[kvCacheVariable])
	if a == b {
		return ""
	}
	return fmt.Sprintf("the context of %s would take about %s instead of %s", m.Name, mebibytes(b), mebibytes(a))
}

func (s shape) capped(contextLength uint64) uint64 {
	if s.contextLength > 0 {
		return min(contextLength, s.contextLength)
	}
	return contextLength
}

func setting(env map[string]string, name string) uint64 {
	n, err := strconv.ParseUint(env[name], 10, 32)
	if err != nil {
		return 0
	}
	return n
}

func mebibytes(n uint64) string {
	return strings.TrimSuffix(strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64), ".0") + " MiB"
}

// info returns a model's metadata, as its file has it.
func (c *client) info(ctx context.Context, model string) (map[string]json.RawMessage, error) {
	var answer struct {
		Info map[string]json.RawMessage `json:"model_info"`
	}
	err := c.ask(ctx, http.MethodPost, "/api/show", map[string]string{"model": model}, &answer)
	return answer.Info, err
}
