package limits

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestBodiesAreHeldToTheLimits(t *testing.T) {
	tokens, batch, cpu := Limits{MaxTokens: 100}, Limits{BatchSize: 64}, Limits{CPUOnly: true}
	all := Limits{MaxTokens: 100, BatchSize: 64, CPUOnly: true}
	for _, c := range []struct {
		name       string
		limits     Limits
		path, body string
		want       string // empty is the body itself
	}{
		{"a smaller number stays", tokens, "/api/chat", `{"options":{"num_predict":7}}`, ""},
		{"the limit itself stays", tokens, "/api/chat", `{"options":{"num_predict":100}}`, ""},
		{"a larger one is lowered", tokens, "/api/chat", `{"options":{"num_predict":101}}`, `{"options":{"num_predict":100}}`},
		{"unlimited is limited", tokens, "/api/generate", `{"options":{"num_predict":-1}}`, `{"options":{"num_predict":100}}`},
		{"nothing is unlimited", tokens, "/api/generate", `{"options":{"num_predict":0}}`, `{"options":{"num_predict":100}}`},
		{"a part of one is nothing", tokens, "/api/generate", `{"options":{"num_predict":0.5}}`, `{"options":{"num_predict":100}}`},
		{"out of any range", tokens, "/api/generate", `{"options":{"num_predict":1e999}}`, `{"options":{"num_predict":100}}`},
		{"null is nothing said", tokens, "/api/generate", `{"options":{"num_predict":null}}`, `{"options":{"num_predict":100}}`},
		{"no options", tokens, "/api/chat", `{"model":"m"}`, `{"options":{"num_predict":100},"model":"m"}`},
		{"null for options", tokens, "/api/chat", `{"model":"m","options":null}`, `{"model":"m","options":{"num_predict":100}}`},
		{"empty options", tokens, "/api/chat", `{"options":{ }}`, `{"options":{"num_predict":100 }}`},
		{"an empty body", tokens, "/api/chat", `{}`, `{"options":{"num_predict":100}}`},
		{"what Ollama refuses is Ollama's to refuse", tokens, "/api/chat", `{"options":{"num_predict":"many"}}`, ""},
		{"options that are none", tokens, "/api/chat", `{"options":[1]}`, ""},
		{"a list", tokens, "/api/chat", `[{"options":{}}]`, ""},
		{"half a body", tokens, "/api/chat", `{"options":{"num_predict":`, ""},
		{
			"a field under another spelling", tokens, "/api/chat", `{"OPTIONS":{"num_predict":200},"model":"m"}`,
			`{"OPTIONS":{"num_predict":100},"model":"m"}`,
		},
		{
			"an escaped name", tokens, "/api/chat", `{"opti\u006fns":{"num\u005fpredict":200}}`,
			`{"opti\u006fns":{"num\u005fpredict":100}}`,
		},
		{
			"the same name twice", tokens, "/api/chat", `{"options":{"num_predict":5,"num_predict":900},"options":{}}`,
			`{"options":{"num_predict":5,"num_predict":100},"options":{"num_predict":100}}`,
		},
		{
			"the rest is left as it was", tokens, "/api/chat",
			"{ \"z\" : 1.0e0 ,\n\t\"messages\":[{\"content\":\"\\\"options\\\":{\\\\\"}],\"options\":{\"seed\":12345678901234567890, \"num_predict\":500 },\"a\":{}}",
			"{ \"z\" : 1.0e0 ,\n\t\"messages\":[{\"content\":\"\\\"options\\\":{\\\\\"}],\"options\":{\"seed\":12345678901234567890, \"num_predict\":100 },\"a\":{}}",
		},
		{"a batch where none is asked for", batch, "/api/embed", `{"options":{"num_ctx":9}}`, `{"options":{"num_batch":64,"num_ctx":9}}`},
		{"a batch that is asked for", batch, "/api/embed", `{"options":{"num_batch":900}}`, ""},
		{"the processor", cpu, "/api/chat", `{"options":{"num_gpu":99}}`, `{"options":{"num_gpu":0}}`},
		{"the processor already", cpu, "/api/chat", `{"options":{"num_gpu":0}}`, ""},
		{"embeddings make no tokens", tokens, "/api/embeddings", `{}`, ""},
		{
			"all at once", all, "/api/chat", `{"options":{"num_gpu":-1}}`,
			`{"options":{"num_predict":100,"num_batch":64,"num_gpu":0}}`,
		},
		{"completion", tokens, "/v1/completions", `{"max_tokens":900}`, `{"max_tokens":100}`},
		{"chat completion", tokens, "/v1/chat/completions", `{"model":"m"}`, `{"max_tokens":100,"model":"m"}`},
		{
			"the new name", tokens, "/v1/chat/completions", `{"max_completion_tokens":5}`,
			`{"max_tokens":5,"max_completion_tokens":5}`,
		},
		{
			"the new name over the limit", tokens, "/v1/chat/completions", `{"max_completion_tokens":500}`,
			`{"max_tokens":100,"max_completion_tokens":100}`,
		},
		{"a response", tokens, "/v1/responses", `{"max_output_tokens":500}`, `{"max_output_tokens":100}`},
		{"a message", tokens, "/v1/messages", `{"max_tokens":500}`, `{"max_tokens":100}`},
		{"a message that must say it", tokens, "/v1/messages", `{"model":"m"}`, ""},
		{"a message with too little", tokens, "/v1/messages", `{"max_tokens":0}`, ""},
		{"OpenAI's dialect takes no options", Limits{BatchSize: 64, CPUOnly: true}, "/v1/chat/completions", `{}`, ""},
		{"another route", all, "/api/show", `{"model":"m"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "" {
				c.want = c.body
			}
			if got := string(c.limits.Apply(c.path, []byte(c.body))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// recorder notes the body of a call.
type recorder struct{ body []byte }

func (r *recorder) Forward(_ context.Context, _ string, call fleet.Call) (*fleet.Answer, error) {
	r.body = call.Body
	return nil, io.EOF
}

func TestAChangeCountsFromTheNextRequestOn(t *testing.T) {
	now, next := Limits{}, &recorder{}
	f := New(next, func() Limits { return now })
	call := fleet.Call{Path: "/api/chat?x=1", Body: []byte(`{"model":"m"}`)}
	for _, c := range []struct {
		limits Limits
		want   string
	}{{Limits{}, `{"model":"m"}`}, {Limits{MaxTokens: 3}, `{"options":{"num_predict":3},"model":"m"}`}, {Limits{}, `{"model":"m"}`}} {
		now = c.limits
		if _, err := f.Forward(t.Context(), "m", call); err != io.EOF {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(next.body)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestNoLimitCostsNothing(t *testing.T) {
	f := New(&recorder{}, func() Limits { return Limits{} })
	call := fleet.Call{Path: "/api/chat", Body: []byte(`{"model":"m"}`)}
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Forward(t.Context(), "m", call) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzApply holds any body to every limit and wants what comes out to be valid
// where what went in was, and to be within the limits.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"options":{"num_predict":-1}}`, `{"options":null}`, `{"Options":{},"options":{"num_predict":1e99}}`,
		`{"max_tokens":null,"max_completion_tokens":9}`, `{"a":"\\\"","options":{}}`, `[]`, `{"options":{"x":[{"y":"}"}]}} `,
	} {
		f.Add([]byte(seed))
	}
	paths := []string{"/api/chat", "/api/embed", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"}
	limits := Limits{MaxTokens: 10, BatchSize: 4, CPUOnly: true}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range paths {
			got := limits.Apply(path, body)
			if json.Valid(body) && !json.Valid(got) {
				t.Fatalf("%s: %q became %q", path, body, got)
			}
			if again := limits.Apply(path, got); string(again) != string(got) {
				t.Fatalf("%s: %q became %q, and that %q", path, body, got, again)
			}
		}
		var chat struct {
			Options map[string]any `json:"options"`
		}
		if json.Unmarshal(limits.Apply("/api/chat", body), &chat) != nil {
			return
		}
		n, isNumber := chat.Options["num_predict"].(float64)
		if isNumber && (n < 1 || n >= 11) || chat.Options["num_predict"] == nil {
			t.Fatalf("%q may have %v tokens", body, chat.Options["num_predict"])
		}
	})
}

// BenchmarkApply is what limits cost a conversation of 16 KiB.
func BenchmarkApply(b *testing.B) {
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("word ", 3300) + `"}],"options":{"num_predict":500}}`)
	limits := Limits{MaxTokens: 100}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		limits.Apply("/api/chat", body)
	}
}
