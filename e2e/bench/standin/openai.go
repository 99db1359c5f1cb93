package standin

import (
	"strconv"
	"time"
)

// openai is the dialect of /v1/chat/completions.
type openai struct{}

func (openai) contentType() string { return eventType }
func (openai) streams() bool       { return false }

func (openai) appendPiece(dst []byte, model, text string, at time.Time) []byte {
	return appendEvent(dst, model, text, "null", at)
}

func (openai) appendEnd(dst []byte, a *answer, text string, at time.Time) []byte {
	return append(appendEvent(dst, a.model, text, `"`+a.reason+`"`, at), "data: [DONE]\n\n"...)
}

func (openai) appendWhole(dst []byte, a *answer, text string, at time.Time) []byte {
	dst = appendCompletion(dst, "chat.completion", a.model, at)
	dst = append(dst, `"message":{"role":"assistant","content":"`...)
	dst = append(append(dst, text...), `"},"finish_reason":"`...)
	dst = append(append(dst, a.reason...), `"}],"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, promptTokens, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), int64(a.tokens), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), int64(promptTokens+a.tokens), 10)
	return append(dst, "}}\n"...)
}

// appendLoaded answers a request without messages. The route has no notion of
// loading, so that it is an answer of no tokens.
func (d openai) appendLoaded(dst []byte, model string, at time.Time) []byte {
	return d.appendWhole(dst, &answer{model: model, reason: "load"}, "", at)
}

func appendEvent(dst []byte, model, text, finish string, at time.Time) []byte {
	dst = appendCompletion(append(dst, "data: "...), "chat.completion.chunk", model, at)
	dst = append(dst, `"delta":{"role":"assistant","content":"`...)
	dst = append(append(dst, text...), `"},"finish_reason":`...)
	return append(append(dst, finish...), "}]}\n\n"...)
}

// appendCompletion opens a completion up to its first choice.
func appendCompletion(dst []byte, object, model string, at time.Time) []byte {
	dst = append(append(dst, `{"id":"chatcmpl-1","object":"`...), object...)
	dst = strconv.AppendInt(append(dst, `","created":`...), at.Unix(), 10)
	dst = append(append(dst, `,"model":"`...), model...)
	return append(dst, `","system_fingerprint":"fp_ollama","choices":[{"index":0,`...)
}
