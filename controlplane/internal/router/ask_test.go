package router

import (
	"encoding/json"
	"hash/maphash"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// seen is what a test compares of an ask.
type seen struct {
	Computes, Generates, Streams, Unloads bool
	PromptBytes, MaxTokens                int
	Options                               []string
}

func seenIn(path, body string) seen {
	a := readAsk(maphash.MakeSeed(), "m", path, []byte(body))
	return seen{a.computes, a.generates, a.streams, a.unloads, a.promptBytes, a.maxTokens, a.options.list()}
}

func TestARequestIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		want       seen
	}{
		"chat": {
			"/api/chat", `{"model":"m","messages":[{"role":"user"}]}`,
			seen{Computes: true, Generates: true, Streams: true, PromptBytes: 15, MaxTokens: -1},
		},
		"options": {
			"/api/generate?x=1", ` { "prompt" : "abc\"}", "stream":false, "keep_alive":0, "raw":[{"options":{"num_ctx":1}}],
				"options" : {"num_ctx":8192.0,"use_mmap":false,"num_gpu":-1,"main_gpu":null,"stop":["}"],"num_predict":7,"num_batch":"x"}}`,
			seen{Computes: true, Generates: true, Unloads: true, PromptBytes: 6, MaxTokens: 7, Options: []string{"num_ctx=8192", "num_gpu=-1", "use_mmap=false"}},
		},
		"a context below the least": {
			"/api/embed", `{"input":["a","b"],"options":{"num_ctx":1}}`,
			seen{Computes: true, PromptBytes: 7, MaxTokens: -1, Options: []string{"num_ctx=4"}},
		},
		"nothing to say": {"/api/generate", `{"model":"m","keep_alive":"0s"}`, seen{Computes: true, Streams: true, Unloads: true, MaxTokens: -1}},
		"OpenAI's": {
			"/v1/chat/completions", `{"messages":[1],"max_completion_tokens":9,"options":{"num_ctx":1},"keep_alive":0,"stream":true}`,
			seen{Computes: true, Generates: true, Streams: true, PromptBytes: 1, MaxTokens: 9},
		},
		"Anthropic's": {
			"/v1/messages", `{"max_tokens":5,"system":"sys","messages":[12]}`,
			seen{Computes: true, Generates: true, PromptBytes: 7, MaxTokens: 5},
		},
		"what needs no runner": {"/api/show", `{"model":"m"}`, seen{MaxTokens: -1}},
		"cut off":              {"/api/chat", `{"options":{"num_ctx":64},"messages":[{"content":"abc`, seen{Computes: true, Generates: true, Streams: true, PromptBytes: 15, MaxTokens: -1, Options: []string{"num_ctx=64"}}},
		"no object":            {"/api/chat", `["messages"]`, seen{Computes: true, Streams: true, MaxTokens: -1}},
		"nothing":              {"/api/chat", ``, seen{Computes: true, Streams: true, MaxTokens: -1}},
	} {
		if diff := cmp.Diff(c.want, seenIn(c.path, c.body)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestAnImageIsNoPrompt(t *testing.T) {
	image := strings.Repeat("QUJD", 1<<20)
	got := seenIn("/api/chat", `{"messages":[{"content":"What is that?","images":["`+image+`"]}],"options":{"num_ctx":64}}`)
	if got.PromptBytes > 2*imageBytes || got.PromptBytes < imageBytes || len(got.Options) != 1 {
		t.Errorf("an image of %d bytes: %+v", len(image), got)
	}
	text := strings.Repeat("word ", 1<<16)
	if got := seenIn("/api/generate", `{"prompt":"`+text+`"}`); got.PromptBytes != len(text) {
		t.Errorf("a text of %d bytes counts for %d", len(text), got.PromptBytes)
	}
}

// TestALargeBodyIsReadQuickly has bodies of 100 MB, one of which is as bad as
// they come. Reading them as JSON takes a second. What counts is the processor's
// time, which a busy machine does not stretch.
func TestALargeBodyIsReadQuickly(t *testing.T) {
	const size = 100 << 20
	for name, body := range map[string]string{
		"one string":   `{"messages":["` + strings.Repeat("x", size) + `"]}`,
		"only opening": `{"messages":` + strings.Repeat("[", size),
		"only quotes":  `{"messages":` + strings.Repeat(`"`, size),
		"only slashes": `{"messages":"` + strings.Repeat(`\"`, size/2),
		"only spaces":  strings.Repeat(" ", size),
	} {
		before := processorTime(t)
		seenIn("/api/chat", body)
		if took := processorTime(t) - before; took > 2*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// processorTime is what this program has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func TestAConversationIsRecognised(t *testing.T) {
	seed := maphash.MakeSeed()
	read := func(body string) *ask {
		a := readAsk(seed, "m", "/api/chat", []byte(body))
		return &a
	}
	first := `{"role":"user","content":"` + strings.Repeat("Why is the sky blue? ", 100) + `"}`
	one := read(`{"messages":[` + first + `]}`)
	two := read(`{"messages":[` + first + `,{"role":"assistant","content":"Because."}],"stream":false}`)
	c := cache{}.put(one, 2, 1)
	if got := c.matched(two); got < one.promptBytes-blockBytes || got > one.promptBytes {
		t.Errorf("of %d bytes %d are matched", one.promptBytes, got)
	}
	for name, other := range map[string]string{
		"another beginning": `{"messages":[{"role":"user","content":"x` + strings.Repeat("Why is the sky blue? ", 100) + `"}]}`,
		"other tools":       `{"messages":[` + first + `],"tools":[1]}`,
		"short":             `{"messages":[{"role":"user","content":"Why?"}]}`,
	} {
		if got := c.matched(read(other)); got != 0 {
			t.Errorf("%s: %d bytes are matched", name, got)
		}
	}
	long := read(`{"messages":["` + strings.Repeat("0123456789abcdef ", 10_000) + `"]}`)
	if got := cache.put(nil, long, 1, 1).matched(long); got != long.promptBytes {
		t.Errorf("of a prompt of %d bytes that is longer than what is summed, %d are matched", long.promptBytes, got)
	}
}

func TestACacheForgetsWhatWasNotUsedForLongest(t *testing.T) {
	seed := maphash.MakeSeed()
	var asks []*ask
	for _, word := range []string{"one ", "two ", "three "} {
		a := readAsk(seed, "m", "/api/generate", []byte(`{"prompt":"`+strings.Repeat(word, 200)+`"}`))
		asks = append(asks, &a)
	}
	var c cache
	for turn, which := range []int{0, 1, 0, 2} {
		c = c.put(asks[which], 2, uint64(turn+1))
	}
	if len(c) != 2 || c.matched(asks[0]) == 0 || c.matched(asks[1]) != 0 || c.matched(asks[2]) == 0 {
		t.Errorf("%d places, which match %d, %d and %d", len(c), c.matched(asks[0]), c.matched(asks[1]), c.matched(asks[2]))
	}
}

// FuzzAsk reads what strangers send: nothing fails or reads on for ever, and of
// what is valid the options are those that encoding/json finds.
func FuzzAsk(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"user","content":"a\\\"b"}],"options":{"num_ctx":42}}`, `{"prompt":"`, `{"a":}`, `{"":[{]`, `{"options":{"num_ctx":5`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := readAsk(maphash.MakeSeed(), "m", "/api/chat", body)
		if a.promptBytes < 0 || a.prefix.blocks > maxBlocks {
			t.Errorf("a prompt of %d bytes in %d blocks", a.promptBytes, a.prefix.blocks)
		}
		var valid struct {
			Options json.RawMessage `json:"options"`
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil || json.Unmarshal(body, &valid) != nil || fields["options"] != nil {
			return
		}
		if len(valid.Options) == 0 && strings.Count(string(body), "options") == 0 && len(a.options.list()) > 0 {
			t.Errorf("options out of nothing: %v", a.options.list())
		}
	})
}
