package ollama

import (
	"encoding/json"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

// llama3 is what Ollama tells of llama3:8b.
const llama3 = `{"general.architecture":"llama","llama.block_count":32,"llama.attention.head_count":32,
	"llama.attention.head_count_kv":8,"llama.embedding_length":4096,"llama.context_length":8192}`

func readShape(t *testing.T, text string) (shape, bool) {
	t.Helper()
	var info map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		t.Fatal(err)
	}
	return shapeOf(info)
}

func TestContextBytes(t *testing.T) {
	s, ok := readShape(t, llama3)
	if !ok {
		t.Fatal("no shape")
	}
	for _, test := range []struct {
		parallel, context uint64
		kind              string
		want              uint64
	}{
		{1, 8192, "", 1 << 30}, // as llama.cpp says it: 512 MiB for the keys, as much for the values
		{1, 8192, "f16", 1 << 30},
		{4, 8192, "", 4 << 30},
		{1, 2048, "", 256 << 20},
		{1, 8192, "q8_0", 544 << 20},
		{1, 8192, "q4_0", 288 << 20},
	} {
		if got := s.contextBytes(test.parallel, test.context, test.kind); got != test.want {
			t.Errorf("%d of %d tokens as %q take %d, want %d", test.parallel, test.context, test.kind, got, test.want)
		}
	}
}

func TestShapesThatAreNotKnown(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"general.architecture":3}`,
		`{"general.architecture":"a","a.block_count":2,"a.attention.head_count":4,"a.embedding_length":256}`,
		`{"general.architecture":"a","a.block_count":2,"a.attention.head_count_kv":null,"a.attention.key_length":64,"a.attention.value_length":64}`,
		`{"general.architecture":"a","a.block_count":2,"a.attention.head_count_kv":[1,2],"a.attention.key_length":64,"a.attention.value_length":64}`,
		`{"general.architecture":"a","a.block_count":-2,"a.attention.head_count_kv":1e300,"a.attention.key_length":64,"a.attention.value_length":64}`,
	} {
		if s, ok := readShape(t, text); ok {
			t.Errorf("%s has the shape %+v", text, s)
		}
	}
}

func TestWhatAChangeCosts(t *testing.T) {
	s, _ := readShape(t, llama3)
	type env = map[string]string
	for _, test := range []struct {
		name    string
		context uint32
		was, is env
		want    string
	}{
		{"more at once", 4096, nil, env{parallelVariable: "4"}, "the context of m would take about 2048 MiB instead of 512 MiB"},
		{"a longer one", 4096, env{contextVariable: "4096"}, env{contextVariable: "8192"}, "the context of m would take about 1024 MiB instead of 512 MiB"},
		{"one past what it can", 8192, env{contextVariable: "8192"}, env{contextVariable: "100000"}, ""},
		{"one that a request has set", 2048, env{contextVariable: "4096"}, env{contextVariable: "8192"}, ""},
		{"back to Ollama's own", 4096, env{contextVariable: "4096"}, nil, ""},
		{"quantised", 8192, nil, env{kvCacheVariable: "q8_0"}, "the context of m would take about 544 MiB instead of 1024 MiB"},
		{"something else", 4096, nil, env{"OLLAMA_KEEP_ALIVE": "1h"}, ""},
		{"a length that is not known", 0, nil, env{parallelVariable: "4"}, ""},
	} {
		if got := s.change(wire.LoadedModel{Name: "m", ContextLength: test.context}, test.was, test.is); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
