package router

import (
	"bytes"
	"time"
)

// tailBytes is how much of an answer's end is kept. Ollama's counts stand in the
// last few hundred bytes of its last line.
const tailBytes = 768

// tail is the end of an answer that passes by.
type tail struct {
	buf [tailBytes]byte
	n   int
}

func (t *tail) add(p []byte) {
	if len(p) >= tailBytes {
		t.n = copy(t.buf[:], p[len(p)-tailBytes:])
		return
	}
	if over := t.n + len(p) - tailBytes; over > 0 {
		t.n = copy(t.buf[:], t.buf[over:t.n])
	}
	t.n += copy(t.buf[t.n:], p)
}

// counts are what an answer told of the work that it was. What it did not tell
// is 0.
type counts struct {
	promptTokens, tokens   int
	prompt, generate, load time.Duration
}

// counts reads the end of an answer. The names can't stand inside a string,
// where their quotes would be escaped.
func (t *tail) counts() counts {
	end := t.buf[:t.n]
	c := counts{
		promptTokens: int(lastNumber(end, `"prompt_eval_count":`)),
		tokens:       int(lastNumber(end, `"eval_count":`)),
		prompt:       time.Duration(lastNumber(end, `"prompt_eval_duration":`)),
		generate:     time.Duration(lastNumber(end, `"eval_duration":`)),
		load:         time.Duration(lastNumber(end, `"load_duration":`)),
	}
	for _, names := range [...][2]string{{`"prompt_tokens":`, `"completion_tokens":`}, {`"input_tokens":`, `"output_tokens":`}} {
		if c.promptTokens == 0 {
			c.promptTokens = int(lastNumber(end, names[0]))
		}
		if c.tokens == 0 {
			c.tokens = int(lastNumber(end, names[1]))
		}
	}
	return c
}

// lastNumber returns the last number that a field has, 0 when it has none.
func lastNumber(text []byte, field string) int64 {
	at := bytes.LastIndex(text, []byte(field))
	if at < 0 {
		return 0
	}
	var n int64
	for _, c := range bytes.TrimLeft(text[at+len(field):], " ") {
		if c < '0' || c > '9' {
			break
		}
		if n = n*10 + int64(c-'0'); n > 1<<52 {
			return 0 // nothing takes or makes so much
		}
	}
	return n
}
