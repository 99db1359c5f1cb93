package ollamatest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestNewestReleaseAnswersAlike sets the newest release beside the one that the
// other tests run on. A field that is new or missing is looked at before it is
// noted here: the agent reads these answers, and clients get them.
func TestNewestReleaseAnswersAlike(t *testing.T) {
	usual := ollamatest.Start(t, ollamatest.Options{})
	newest := ollamatest.Start(t, ollamatest.Options{Bin: ollamatest.Newest(t)})
	usual.Create("demo", tinymodel.Options{})
	newest.Create("demo", tinymodel.Options{})
	f := func(method, path, body string, added, removed []string) {
		t.Helper()
		before, now := answerTo(t, usual, method, path, body), answerTo(t, newest, method, path, body)
		if before.status != now.status {
			t.Errorf("%s %s: status %d, was %d", method, path, now.status, before.status)
		}
		got := map[string][]string{"added": without(now.fields, before.fields), "removed": without(before.fields, now.fields)}
		if diff := cmp.Diff(map[string][]string{"added": added, "removed": removed}, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s %s: fields that are expected -, found +\n%s", method, path, diff)
		}
	}
	f(http.MethodGet, "/api/version", "", nil, nil)
	f(http.MethodGet, "/api/tags", "", []string{
		"models.capabilities", "models.capabilities[]", "models.details.context_length", "models.details.embedding_length",
	}, nil)
	f(http.MethodGet, "/api/ps", "", nil, nil)
	// The vocabulary, of a large model some megabytes, comes without being asked for.
	f(http.MethodPost, "/api/show", `{"model":"demo"}`, []string{
		"model_info.tokenizer.ggml.merges[]", "model_info.tokenizer.ggml.token_type[]", "model_info.tokenizer.ggml.tokens[]",
	}, []string{"tensors", "tensors.name", "tensors.shape", "tensors.shape[]", "tensors.type", "tensors[]"})
	f(http.MethodPost, "/api/show", `{"model":"other"}`, nil, nil)
	f(http.MethodPost, "/api/chat", `{"model":"other"}`, nil, nil)
	f(http.MethodPost, "/api/chat", `{"model":`, nil, nil)
	f(http.MethodPost, "/v1/chat/completions", `{"model":"other","messages":[{"role":"user","content":"Hello?"}]}`, nil, nil)
	f(http.MethodGet, "/v1/models", "", nil, nil)
	f(http.MethodDelete, "/api/delete", `{"model":"other"}`, nil, nil)
	f(http.MethodPost, "/api/copy", `{"source":"demo","destination":"twin"}`, nil, nil)
	f(http.MethodDelete, "/api/delete", `{"model":"twin"}`, nil, nil)
}

// answer is how an Ollama answers a request.
type answer struct {
	status int
	fields []string // paths of the fields, in order; that of a list with anything in it ends in "[]" as well
}

func answerTo(t *testing.T, s *ollamatest.Server, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	if len(bytes.TrimSpace(content)) > 0 {
		var value any
		if err := json.Unmarshal(content, &value); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, content)
		}
		addFields(paths, "", value)
	}
	return answer{status: response.StatusCode, fields: slices.Sorted(maps.Keys(paths))}
}

func addFields(paths map[string]bool, prefix string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			paths[prefix+name] = true
			addFields(paths, prefix+name+".", member)
		}
	case []any:
		if len(v) > 0 {
			paths[strings.TrimSuffix(prefix, ".")+"[]"] = true
		}
		for _, element := range v {
			addFields(paths, prefix, element)
		}
	}
}

// without returns what is in list and not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
