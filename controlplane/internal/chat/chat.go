// Package chat asks a model one question, for the callers that want an answer
// and not Ollama's protocol: the dashboard's chat over HTTP and WebSocket.
package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Question is what the dashboard asks.
type Question struct {
	Message  string
	Model    string // a name, a name with a digest, or an id
	KeyID    string // of whoever asks; empty without a key
	KeyName  string
	Priority int // of the key
}

// Validate returns a fault.Invalid that names the field which is missing.
func (q Question) Validate() error {
	switch {
	case q.Message == "":
		return fault.New(fault.Invalid, `the field "message" is missing or empty`).On(fault.Caller)
	case q.Model == "":
		return fault.New(fault.Invalid, `the field "model" is missing or empty`).On(fault.Caller)
	}
	return nil
}

// Piece is one piece of an answer, as Ollama sent it.
type Piece struct {
	Text     string
	Thinking string       // of models that show their reasoning
	Target   fleet.Target // who answers
	Decision string       // the id of the decision that chose them
}

// Reply is a whole answer.
type Reply struct {
	Message      string
	Model        string        // as it was asked for
	Tokens       int           // Ollama's own count
	ResponseTime time.Duration // from the call to its last byte
	Target       fleet.Target  // who answered
	Decision     string        // the id of the decision that chose them
}

// Service asks models. Its methods may be called concurrently.
type Service struct {
	forward fleet.Forwarder
	now     func() time.Time
}

// New returns a service that reaches models through forward.
func New(forward fleet.Forwarder, now func() time.Time) *Service {
	return &Service{forward: forward, now: now}
}

// Ask asks a model and calls onPiece, in this goroutine, for each piece as it
// comes, but for what the last line holds: that is in the reply alone. An error
// of onPiece stops the generation and is returned. An answer that breaks off is
// fault.Unavailable; what came of it was given to onPiece.
func (s *Service) Ask(ctx context.Context, q Question, onPiece func(Piece) error) (*Reply, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(ollamaChat{Model: q.Model, Messages: []ollamaMessage{{Role: "user", Content: q.Message}}, Stream: true})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	started := s.now()
	answer, err := s.forward.Forward(ctx, q.Model, fleet.Call{
		Method: http.MethodPost, Path: "/api/chat", Body: body,
		Fields: []fleet.Field{{Name: "Content-Type", Value: "application/json"}, {Name: wire.StreamField, Value: "1"}},
		From:   fleet.Origin{KeyID: q.KeyID, KeyName: q.KeyName, Priority: q.Priority, Dialect: "dashboard"},
	})
	if err != nil {
		return nil, err
	}
	reply, err := readAnswer(answer, onPiece)
	// The answer is whole or has failed: how its closing went changes neither.
	_ = answer.Body.Close()
	if err != nil {
		return nil, &fleet.DecidedError{Decision: answer.Decision, Err: err}
	}
	reply.Model, reply.ResponseTime = q.Model, s.now().Sub(started)
	reply.Target, reply.Decision = answer.Target, answer.Decision
	return reply, nil
}

// The parts of Ollama's chat protocol that are needed here.
type (
	ollamaChat struct {
		Model    string          `json:"model"`
		Messages []ollamaMessage `json:"messages"`
		Stream   bool            `json:"stream"`
	}
	ollamaMessage struct {
		Role     string `json:"role"`
		Content  string `json:"content"`
		Thinking string `json:"thinking,omitempty"`
	}
	ollamaLine struct {
		Message   ollamaMessage `json:"message"`
		Done      bool          `json:"done"`
		EvalCount int           `json:"eval_count"`
		Error     string        `json:"error"`
	}
)

// readAnswer reads Ollama's lines to the last one.
func readAnswer(answer *fleet.Answer, onPiece func(Piece) error) (*Reply, error) {
	if answer.Status >= 300 {
		return nil, refusal(answer)
	}
	lines := NewLines(answer.Body)
	var text []byte
	for {
		raw, err := lines.Next()
		if err != nil {
			return nil, brokenOff(answer, err)
		}
		var line ollamaLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return nil, brokenOff(answer, fmt.Errorf("parse a line of the answer: %w", err))
		}
		if line.Error != "" {
			return nil, OllamaError(answer, line.Error)
		}
		text = append(text, line.Message.Content...)
		if line.Done {
			// What follows is the end of the transfer. Reading it keeps the way to
			// the host open for the next call; a fault there no longer matters.
			_, _ = lines.Next()
			return &Reply{Message: string(text), Tokens: line.EvalCount}, nil
		}
		if err := onPiece(Piece{Text: line.Message.Content, Thinking: line.Message.Thinking, Target: answer.Target, Decision: answer.Decision}); err != nil {
			return nil, err
		}
	}
}

// maxRefusalBytes is how much of an answer with a bad status is looked at.
const maxRefusalBytes = 64 << 10

// refusal reads an answer with a bad status, whose body is one object without a
// newline, or something else where a proxy stands before an Ollama.
func refusal(answer *fleet.Answer) error {
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxRefusalBytes))
	if err != nil {
		return brokenOff(answer, err)
	}
	var said ollamaLine
	if json.Unmarshal(raw, &said) != nil {
		said.Error = ""
	}
	return OllamaError(answer, said.Error)
}

// brokenOff is an answer without its end. Where the way to the host was fine it
// is the Ollama that stopped: a runner that was killed ends its answer like that.
// What this server itself has ended is told as it is.
func brokenOff(answer *fleet.Answer, cause error) error {
	if kind := fault.KindOf(cause); kind == fault.Canceled || kind == fault.Timeout {
		return cause
	}
	if own, ok := errors.AsType[*fault.Error](cause); ok && own.Side == fault.Ours {
		return cause
	}
	side := fault.SideOf(cause)
	if side == fault.Ours {
		side = fault.Ollama
	}
	return fault.Wrap(fault.Unavailable, cause, "the answer from host %q broke off before its end", answer.Target.Host).On(side)
}

// OllamaError is an error that Ollama itself reported, with the kind that its
// status stands for.
func OllamaError(answer *fleet.Answer, message string) error {
	kind := fault.Unavailable // whatever it was, another try or host may do better
	switch answer.Status {
	case http.StatusBadRequest:
		kind = fault.Invalid
	case http.StatusNotFound:
		kind = fault.NotFound
	case http.StatusNotImplemented:
		kind = fault.NotImplemented
	case http.StatusRequestEntityTooLarge:
		kind = fault.TooLarge
	}
	if message == "" {
		message = fmt.Sprintf("status %d", answer.Status)
	}
	return fault.New(kind, "Ollama on host %q: %s", answer.Target.Host, message).On(fault.Ollama)
}
