package usage

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// counts are what Ollama said at an answer's end. What it did not say is nil.
type counts struct {
	whole     bool // the end that a stream of this route has was there
	prompt    *int64
	generated *int64
	load      *time.Duration
	perSecond *float64
}

// readCounts looks at the last bytes of an answer of a route. A quote inside of a
// text is escaped there, so that no text can look like a field.
func readCounts(path string, last []byte) counts {
	if strings.HasPrefix(path, "/api/") {
		return readNative(last)
	}
	c := counts{whole: endsStream(path, last)}
	at := bytes.LastIndex(last, []byte(`"usage":{`))
	if at < 0 {
		return c
	}
	var said struct {
		Prompt     *int64 `json:"prompt_tokens"`
		Completion *int64 `json:"completion_tokens"`
		Input      *int64 `json:"input_tokens"`
		Output     *int64 `json:"output_tokens"`
	}
	if json.NewDecoder(bytes.NewReader(last[at+len(`"usage":`):])).Decode(&said) != nil {
		return c
	}
	c.prompt, c.generated = said.Prompt, said.Completion
	if said.Input != nil || said.Output != nil {
		c.prompt, c.generated = said.Input, said.Output
	}
	return c
}

// readNative reads the end of Ollama's own last object, in which the numbers
// follow the total duration. It lacks those that are zero.
func readNative(last []byte) counts {
	lines := bytes.TrimSpace(last)
	c := counts{whole: bytes.Contains(lines[bytes.LastIndexByte(lines, '\n')+1:], []byte(`"done":true`))}
	at := bytes.LastIndex(last, []byte(`"total_duration":`))
	if at < 0 {
		return c
	}
	var said struct {
		LoadNanos int64  `json:"load_duration"`
		Prompt    *int64 `json:"prompt_eval_count"`
		Generated *int64 `json:"eval_count"`
		EvalNanos int64  `json:"eval_duration"`
	}
	rest := io.MultiReader(strings.NewReader("{"), bytes.NewReader(last[at:]))
	if json.NewDecoder(rest).Decode(&said) != nil {
		return c
	}
	c.whole, c.prompt, c.generated = true, said.Prompt, said.Generated
	if said.LoadNanos > 0 {
		c.load = new(time.Duration(said.LoadNanos))
	}
	if said.Generated != nil && said.EvalNanos > 0 {
		c.perSecond = new(float64(*said.Generated) / time.Duration(said.EvalNanos).Seconds())
	}
	return c
}

// endsStream reports whether the last events of a stream say that it is whole.
func endsStream(path string, last []byte) bool {
	has := func(line string) bool {
		return bytes.Contains(last, []byte("\n"+line)) || bytes.HasPrefix(last, []byte(line))
	}
	switch path {
	case "/v1/responses":
		// What the event is called stands before it, often too far; its type comes last.
		return has("event: response.completed") || has("event: response.incomplete") ||
			bytes.Contains(last, []byte(`"type":"response.completed"}`)) || bytes.Contains(last, []byte(`"type":"response.incomplete"}`))
	case "/v1/messages":
		return has("event: message_stop")
	}
	return has("data: [DONE]")
}
