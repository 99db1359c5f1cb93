package fleet

import (
	"bytes"
	"strings"
	"time"
)

// answerEndBytes is how much of an answer's end is kept: enough for all that
// Ollama says there in any dialect, and little enough for ten thousand streams.
const answerEndBytes = 1024

// AnswerEnd keeps the last bytes of an answer that passes by, which is where
// Ollama says what it counted. It is used by whoever reads the answer, and by
// others once the answer's body is closed.
type AnswerEnd struct {
	ring [answerEndBytes]byte
	next int  // where the next byte goes
	full bool // the ring has been filled once
}

// Add notes what passes by.
func (e *AnswerEnd) Add(p []byte) {
	if len(p) >= answerEndBytes {
		copy(e.ring[:], p[len(p)-answerEndBytes:])
		e.next, e.full = 0, true
		return
	}
	n := copy(e.ring[e.next:], p)
	e.next += n
	if e.next == answerEndBytes {
		e.next, e.full = copy(e.ring[:], p[n:]), true
	}
}

// bytes returns what is kept, in the order in which it came.
func (e *AnswerEnd) bytes() []byte {
	if !e.full {
		return e.ring[:e.next]
	}
	return append(append(make([]byte, 0, answerEndBytes), e.ring[e.next:]...), e.ring[:e.next]...)
}

// Counts are what Ollama said of its work at an answer's end. Tokens that it did
// not tell are nil, and times 0.
type Counts struct {
	Whole        bool // the end that a stream of this route has was there
	PromptTokens *int64
	Tokens       *int64 // generated
	Prompt       time.Duration
	Generate     time.Duration
	Load         time.Duration
}

// Counts reads the end of an answer of a route of Ollama's, without its query. A
// quote inside of a text is escaped there, so that no text can look like a field;
// what stands in the arguments of a tool call is told apart by where it stands.
// A nil end is one of which nothing was kept.
func (e *AnswerEnd) Counts(path string) Counts {
	if e == nil {
		return Counts{}
	}
	last := e.bytes()
	if strings.HasPrefix(path, "/api/") {
		return nativeCounts(last)
	}
	c := Counts{Whole: endsStream(path, last)}
	if _, usage, ok := cutLast(last, `"usage":{`); ok {
		numbers(usage, func(name []byte, n int64) {
			switch string(name) {
			case "prompt_tokens", "input_tokens":
				c.PromptTokens = new(n)
			case "completion_tokens", "output_tokens":
				c.Tokens = new(n)
			}
		})
	}
	return c
}

// nativeCounts reads the end of Ollama's own last object, in which the numbers
// follow the total duration. It lacks those that are zero.
func nativeCounts(last []byte) Counts {
	line := bytes.TrimSpace(last)
	c := Counts{Whole: bytes.Contains(line[bytes.LastIndexByte(line, '\n')+1:], []byte(`"done":true`))}
	at := bytes.LastIndex(last, []byte(`"total_duration":`))
	if at < 0 {
		return c
	}
	c.Whole = true
	numbers(last[at:], func(name []byte, n int64) {
		switch string(name) {
		case "load_duration":
			c.Load = time.Duration(n)
		case "prompt_eval_count":
			c.PromptTokens = new(n)
		case "prompt_eval_duration":
			c.Prompt = time.Duration(n)
		case "eval_count":
			c.Tokens = new(n)
		case "eval_duration":
			c.Generate = time.Duration(n)
		}
	})
	return c
}

// cutLast cuts text around the last place where sep stands.
func cutLast(text []byte, sep string) (before, after []byte, found bool) {
	at := bytes.LastIndex(text, []byte(sep))
	if at < 0 {
		return text, nil, false
	}
	return text[:at], text[at+len(sep):], true
}

// maxCount is more than anything takes or makes.
const maxCount = 1 << 52

// numbers calls f with each field of an object that is a number of at least 0 and
// at most [maxCount], from where text begins, before a field, to the object's end
// or to the first value that is neither a number nor an object.
func numbers(text []byte, f func(name []byte, n int64)) {
	for {
		text = bytes.TrimLeft(text, " ,")
		if len(text) == 0 || text[0] != '"' {
			return
		}
		name, rest, ok := bytes.Cut(text[1:], []byte{'"'})
		if !ok {
			return
		}
		text = bytes.TrimLeft(rest, " :")
		if len(text) > 0 && text[0] == '{' { // details of the field before
			_, text, ok = bytes.Cut(text, []byte{'}'})
			if !ok {
				return
			}
			continue
		}
		var n int64
		digits := 0
		for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
			n = min(n*10+int64(text[digits]-'0'), maxCount+1)
			digits++
		}
		if digits == 0 {
			return
		}
		if text = text[digits:]; n <= maxCount {
			f(name, n)
		}
	}
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
