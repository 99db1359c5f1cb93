package storm

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

const (
	ollamaVersion = "0.17.4" // whose answers are imitated
	tokenDelay    = 25 * time.Millisecond
	promptTokens  = 11
)

// answer is what every simulated model says.
const answer = "This host is simulated, and so is this answer: it comes token by token, as one from a model does."

// ask is what is read of a request to a model.
type ask struct {
	Model    string            `json:"model"`
	Stream   *bool             `json:"stream"`
	Prompt   string            `json:"prompt"`
	Messages []json.RawMessage `json:"messages"`
}

// line is one line of Ollama's answers to /api/chat and /api/generate.
type line struct {
	Model              string    `json:"model"`
	CreatedAt          time.Time `json:"created_at"`
	Message            *message  `json:"message,omitempty"`  // of /api/chat
	Response           *string   `json:"response,omitempty"` // of /api/generate
	Done               bool      `json:"done"`
	DoneReason         string    `json:"done_reason,omitempty"`
	TotalDuration      int64     `json:"total_duration,omitempty"` // nanoseconds
	PromptEvalCount    int       `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64     `json:"prompt_eval_duration,omitempty"` // nanoseconds
	EvalCount          int       `json:"eval_count,omitempty"`
	EvalDuration       int64     `json:"eval_duration,omitempty"` // nanoseconds
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// handle answers what the control plane asks of the host's Ollama.
func (m *machine) handle(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
	target, _, _ := strings.Cut(in.Target, "?")
	switch path := strings.TrimPrefix(target, wire.OllamaPath+wire.DefaultInstance); path {
	case "/api/version":
		return send(out, 200, map[string]string{"version": ollamaVersion})
	case "/api/chat", "/api/generate":
		m.inFlight.Add(1)
		defer m.inFlight.Add(-1)
		return m.generate(ctx, in, out, path == "/api/chat")
	}
	return out.Send(502, exchange.Fields{{Name: wire.FaultField, Value: "not_implemented host"}}, []byte("a simulated host answers chats alone"))
}

func (m *machine) generate(ctx context.Context, in *exchange.Incoming, out *exchange.Reply, chat bool) error {
	var asked ask
	if err := json.NewDecoder(in.Body).Decode(&asked); err != nil {
		return send(out, 400, map[string]string{"error": err.Error()})
	}
	if !m.holds(asked.Model) {
		return send(out, 404, map[string]string{"error": fmt.Sprintf("model '%s' not found", asked.Model)})
	}
	say := func(text string) line {
		l := line{Model: asked.Model, CreatedAt: time.Now().UTC()}
		if chat {
			l.Message = &message{Role: "assistant", Content: text}
		} else {
			l.Response = &text
		}
		return l
	}
	began := time.Now()
	end := func(text, reason string, tokens int) line {
		l := say(text)
		l.Done, l.DoneReason, l.EvalCount = true, reason, tokens
		l.TotalDuration = time.Since(began).Nanoseconds()
		l.PromptEvalCount, l.PromptEvalDuration = promptTokens, l.TotalDuration/10
		l.EvalDuration = l.TotalDuration - l.PromptEvalDuration
		return l
	}
	if len(asked.Messages) == 0 && asked.Prompt == "" {
		return send(out, 200, end("", "load", 0))
	}
	tokens := strings.SplitAfter(answer, " ")
	stream := asked.Stream == nil || *asked.Stream
	if stream {
		out.Start(200, exchange.Fields{{Name: "Content-Type", Value: "application/x-ndjson"}}, -1)
	}
	for _, token := range tokens {
		if err := pause(ctx, tokenDelay); err != nil {
			return err
		}
		if stream {
			if _, err := out.Write(encodeLine(say(token))); err != nil {
				return err
			}
		}
	}
	if !stream {
		return send(out, 200, end(answer, "stop", len(tokens)))
	}
	_, err := out.Last(encodeLine(end("", "stop", len(tokens))))
	return err
}

// holds reports whether the host has a model of this name.
func (m *machine) holds(name string) bool {
	for i := range m.held {
		if m.held[i].Name == name {
			return true
		}
	}
	return false
}

func send(out *exchange.Reply, status int, v any) error {
	return out.Send(status, exchange.Fields{{Name: "Content-Type", Value: "application/json; charset=utf-8"}}, encodeLine(v))
}

// encodeLine encodes what consists of text, numbers and times alone, which
// cannot fail.
func encodeLine(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// pause waits, or returns why it did not wait to the end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
