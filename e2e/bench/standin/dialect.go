package standin

import (
	"strconv"
	"time"
)

// dialect writes one answer in the shape of one of Ollama's routes. Its
// methods append to dst, and model and text need no escaping: the stand-in
// answers to one name and says its own words alone.
type dialect interface {
	contentType() string
	streams() bool // when the request does not say
	appendPiece(dst []byte, model, text string, at time.Time) []byte
	appendEnd(dst []byte, a *answer, text string, at time.Time) []byte
	appendWhole(dst []byte, a *answer, text string, at time.Time) []byte
	appendLoaded(dst []byte, model string, at time.Time) []byte
}

// chat is the dialect of /api/chat.
type chat struct{}

func (chat) contentType() string { return ndjsonType }
func (chat) streams() bool       { return true }

func (chat) appendPiece(dst []byte, model, text string, at time.Time) []byte {
	return append(appendMessage(dst, model, text, at), `,"done":false}`+"\n"...)
}

func (d chat) appendEnd(dst []byte, a *answer, text string, at time.Time) []byte {
	return append(d.appendWhole(dst, a, text, at), '\n')
}

func (chat) appendWhole(dst []byte, a *answer, text string, at time.Time) []byte {
	dst = appendMessage(dst, a.model, text, at)
	dst = append(dst, `,"done":true,"done_reason":"`...)
	dst = append(dst, a.reason...)
	return append(appendStats(append(dst, '"'), a, at), '}')
}

func (chat) appendLoaded(dst []byte, model string, at time.Time) []byte {
	return append(appendMessage(dst, model, "", at), `,"done":true,"done_reason":"load"}`...)
}

func appendMessage(dst []byte, model, text string, at time.Time) []byte {
	dst = append(appendHead(dst, model, at), `,"message":{"role":"assistant","content":"`...)
	dst = append(dst, text...)
	return append(dst, `"}`...)
}

// completion is the dialect of /api/generate.
type completion struct{}

func (completion) contentType() string { return ndjsonType }
func (completion) streams() bool       { return true }

func (completion) appendPiece(dst []byte, model, text string, at time.Time) []byte {
	return append(appendResponse(dst, model, text, at), `,"done":false}`+"\n"...)
}

func (d completion) appendEnd(dst []byte, a *answer, text string, at time.Time) []byte {
	return append(d.appendWhole(dst, a, text, at), '\n')
}

func (completion) appendWhole(dst []byte, a *answer, text string, at time.Time) []byte {
	dst = appendResponse(dst, a.model, text, at)
	dst = append(dst, `,"done":true,"done_reason":"`...)
	dst = append(dst, a.reason...)
	dst = append(dst, `","context":[1,266,13]`...)
	return append(appendStats(dst, a, at), '}')
}

func (completion) appendLoaded(dst []byte, model string, at time.Time) []byte {
	return append(appendResponse(dst, model, "", at), `,"done":true,"done_reason":"load"}`...)
}

func appendResponse(dst []byte, model, text string, at time.Time) []byte {
	dst = append(appendHead(dst, model, at), `,"response":"`...)
	dst = append(dst, text...)
	return append(dst, '"')
}

// appendHead opens the object of a line of either of Ollama's own routes.
func appendHead(dst []byte, model string, at time.Time) []byte {
	dst = append(append(dst, `{"model":"`...), model...)
	dst = append(dst, `","created_at":"`...)
	dst = at.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendStats appends the counts and durations, in nanoseconds, of a last line.
func appendStats(dst []byte, a *answer, at time.Time) []byte {
	total := at.Sub(a.started).Nanoseconds()
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{`,"total_duration":`, total},
		{`,"load_duration":`, 0},
		{`,"prompt_eval_count":`, promptTokens},
		{`,"prompt_eval_duration":`, 0},
		{`,"eval_count":`, int64(a.tokens)},
		{`,"eval_duration":`, total},
	} {
		dst = strconv.AppendInt(append(dst, f.name...), f.value, 10)
	}
	return dst
}
