package relay

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const (
	token       = `{"model":"tiny","created_at":"2026-11-23T15:16:20.105413157Z","message":{"role":"assistant","content":"Hello"},"done":false}` + "\n"
	last        = `{"model":"tiny","created_at":"2026-11-23T15:16:20.106306387Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":283491806,"eval_count":2}` + "\n"
	withContext = `{"model":"tiny","response":"","done":true,"done_reason":"stop","context":[1,266,13],"x":{"s":"a}\"]\\"}}` + "\n"
	ended       = `{"error":"an error was encountered while running the model: unexpected EOF"}` + "\n"
	chunk       = `data: {"id":"chatcmpl-725","object":"chat.completion.chunk","created":1795446988,"model":"loop","choices":[{"index":0,"delta":{"role":"assistant","content":" tock"},"finish_reason":null}]}` + "\n\n"
	stray       = `data: {"id":"chatcmpl-725","object":"chat.completion.chunk","created":1795446988,"model":"","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
)

// endings are streams, most of them recorded from a real Ollama, and whether
// they are whole.
func endings() map[string]struct {
	ending Ending
	stream string
	want   bool
} {
	type row = struct {
		ending Ending
		stream string
		want   bool
	}
	return map[string]row{
		"nothing":                        {OllamaEnding, "", false},
		"done":                           {OllamaEnding, token + last, true},
		"done with a context":            {OllamaEnding, withContext, true},
		"done, and the end of the line":  {OllamaEnding, token + strings.TrimSuffix(last, "\n"), true},
		"done, with carriage returns":    {OllamaEnding, strings.ReplaceAll(token+last, "\n", "\r\n"), true},
		"progress":                       {ProgressEnding, `{"status":"verifying sha256 digest"}` + "\n" + `{"status":"success"}` + "\n", true},
		"progress that failed":           {ProgressEnding, `{"status":"pulling manifest"}` + "\n" + `{"error":"file does not exist"}` + "\n", true},
		"progress without its end":       {ProgressEnding, `{"status":"pulling success","digest":"sha256:1","total":2,"completed":2}` + "\n", false},
		"done first of all":              {OllamaEnding, `{"done":true}`, true},
		"no end":                         {OllamaEnding, token + token, false},
		"cut within a line":              {OllamaEnding, token + token[:40], false},
		"cut within the last line":       {OllamaEnding, token + last[:len(last)-8], false},
		"cut within done":                {OllamaEnding, `{"model":"x","done":tru`, false},
		"Ollama's own error":             {OllamaEnding, token + ended, true},
		"error in a text":                {OllamaEnding, `{"response":"{\"error\":1}","done":false}` + "\n", false},
		"done in a text":                 {OllamaEnding, `{"response":"\"done\":true}","done":false}` + "\n", false},
		"done in a tool call":            {OllamaEnding, toolCall(`{"done":true}`, false), false},
		"done in a tool call, with more": {OllamaEnding, toolCall(`{"done":true,"list":[{"a":"}"}]}`, false), false},
		"done twice":                     {OllamaEnding, toolCall(`{"done":true}`, true), true},
		"done in a list":                 {OllamaEnding, toolCall(`[{"done":true}]`, false) + token, false},
		"completion":                     {OpenAIEnding, chunk + chunk + "data: [DONE]\n\n", true},
		"completion without its end":     {OpenAIEnding, chunk + stray, false},
		"completion that says DONE":      {OpenAIEnding, `data: {"choices":[{"text":"data: [DONE]"}]}` + "\n\n", false},
		"completion with an error":       {OpenAIEnding, chunk + `data: {"error":{"message":"x"}}` + "\n\n", true},
		"completion, Ollama's done":      {OpenAIEnding, `data: {"done":true}` + "\n\n", false},
		"response":                       {ResponsesEnding, "event: response.output_text.delta\ndata: {}\n\nevent: response.completed\ndata: {}\n\n", true},
		"response without its end":       {ResponsesEnding, "event: response.output_text.delta\ndata: {}\n\n", false},
		"message":                        {AnthropicEnding, "event: message_delta\ndata: {}\n\nevent: message_stop\ndata: {}\n\n", true},
		"message without its end":        {AnthropicEnding, "event: content_block_delta\ndata: {}\n\n", false},
	}
}

func toolCall(arguments string, done bool) string {
	return fmt.Sprintf(`{"message":{"tool_calls":[{"function":{"name":"f","arguments":%s}}]},"done":%t}`, arguments, done) + "\n"
}

// However a stream is cut into pieces, the same ending is seen.
func TestEndingInAnyPieces(t *testing.T) {
	for name, c := range endings() {
		t.Run(name, func(t *testing.T) {
			if got := sees(c.ending, c.stream); got != c.want {
				t.Errorf("whole: %t, want %t", got, c.want)
			}
			for i := range len(c.stream) {
				if got := sees(c.ending, c.stream[:i], c.stream[i:]); got != c.want {
					t.Errorf("cut at %d: %t, want %t", i, got, c.want)
				}
			}
			if got := sees(c.ending, strings.Split(c.stream, "")...); got != c.want {
				t.Errorf("byte by byte: %t, want %t", got, c.want)
			}
		})
	}
}

func sees(e Ending, pieces ...string) bool {
	w := watch{ending: e}
	for _, p := range pieces {
		w.scan([]byte(p))
	}
	w.finish()
	return w.seen
}

// A line that says it is done ends the stream whatever else is in it, and one
// that does not say so never does.
func FuzzOllamaEnding(f *testing.F) {
	f.Add("Hello", `{"done":true}`, 7, true)
	f.Add(`"done":true}`, `[{"a":"\"}"},{"done":true}]`, 60, false)
	f.Add(`{"error":`, `null`, 1, false)
	f.Fuzz(func(t *testing.T, text, arguments string, size int, done bool) {
		var value any
		if json.Unmarshal([]byte(arguments), &value) != nil {
			value = arguments
		}
		line, err := json.Marshal(struct {
			Model   string `json:"model"`
			Message any    `json:"message"`
			Done    bool   `json:"done"`
			Context any    `json:"context"`
		}{text, map[string]any{"content": text, "arguments": value}, done, value})
		if err != nil {
			t.Fatal(err)
		}
		size = 1 + max(size%64, 0)
		w := watch{ending: OllamaEnding}
		for stream := append(line, '\n'); len(stream) > 0; {
			n := min(size, len(stream))
			w.scan(stream[:n])
			stream = stream[n:]
		}
		w.finish()
		if w.seen != done {
			t.Errorf("in pieces of %d: seen %t in %s", size, w.seen, line)
		}
	})
}

// Where a stream is cut does not matter, whatever is in it.
func FuzzPieces(f *testing.F) {
	for _, c := range endings() {
		f.Add(c.stream, len(c.stream)/2, uint8(c.ending))
	}
	f.Fuzz(func(t *testing.T, stream string, at int, ending uint8) {
		e := Ending(ending % 4)
		at = max(0, min(at, len(stream)))
		if whole, cut := sees(e, stream), sees(e, stream[:at], stream[at:]); whole != cut {
			t.Errorf("whole %t, cut at %d %t: %q", whole, at, cut, stream)
		}
	})
}

func TestWatchingAllocatesNothing(t *testing.T) {
	w := watch{}
	line := []byte(token)
	if n := testing.AllocsPerRun(100, func() { w.scan(line) }); n != 0 {
		t.Errorf("a line costs %v allocations", n)
	}
	if w.seen {
		t.Error("an ending was seen, so that nothing was measured")
	}
}

func BenchmarkWatch(b *testing.B) {
	for name, c := range map[string]struct {
		ending Ending
		line   string
	}{"ollama": {OllamaEnding, token}, "openai": {OpenAIEnding, chunk}} {
		b.Run(name, func(b *testing.B) {
			w := watch{ending: c.ending}
			line := []byte(c.line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				w.scan(line)
			}
		})
	}
}
