package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Reply is a model's whole answer.
type Reply struct {
	Message      string
	Model        string
	Tokens       int           // Ollama's own count
	ResponseTime time.Duration // as the control plane measured it
}

// Piece is one piece of an answer, as Ollama sent it.
type Piece struct {
	Text     string
	Thinking string // of models that show their reasoning; no part of the answer
}

// question is the body of a chat.
type question struct {
	Message string `json:"message"`
	Model   string `json:"model"`
}

// chatResponse is an answer, or one event of an answer that streams.
type chatResponse struct {
	Message        string `json:"message"`
	Thinking       string `json:"thinking"`
	Model          string `json:"model"`
	Done           bool   `json:"done"`
	Tokens         int    `json:"tokens"`
	ResponseMillis int64  `json:"response_time"`
	refusal
}

func (r *chatResponse) reply(message string) *Reply {
	return &Reply{Message: message, Model: r.Model, Tokens: r.Tokens, ResponseTime: time.Duration(r.ResponseMillis) * time.Millisecond}
}

// Chat asks a model one question and returns its whole answer. A model that no
// host has is fault.NotFound, one whose hosts can't serve it now
// fault.Unavailable. It needs the role inference.
func (c *Client) Chat(ctx context.Context, model, message string) (*Reply, error) {
	what := post("api", "chat")
	what.body = question{Message: message, Model: model}
	var r chatResponse
	if err := c.ask(ctx, what, &r); err != nil {
		return nil, err
	}
	return r.reply(r.Message), nil
}

// ChatStream asks a model one question and calls onPiece, in this goroutine,
// for each piece of its answer as it comes. An error of onPiece ends the
// generation and is returned. The reply has the text of all pieces. An
// answer that breaks off is fault.Unavailable; its pieces were handed over. It
// needs the role inference.
func (c *Client) ChatStream(ctx context.Context, model, message string, onPiece func(Piece) error) (*Reply, error) {
	what := post("api", "chat", "stream")
	what.body, what.accept = question{Message: message, Model: model}, "text/event-stream"
	res, err := c.send(ctx, what)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	events := newEventReader(res.Body)
	var text []byte
	for {
		data, err := events.next()
		if err != nil {
			return nil, c.brokenOff(ctx, err)
		}
		var piece chatResponse
		if err := json.Unmarshal(data, &piece); err != nil {
			return nil, c.brokenOff(ctx, err)
		}
		if piece.Error != "" {
			return nil, fault.New(kindOf(piece.Code, 0), "%s", piece.Error).On(fault.Service)
		}
		text = append(text, piece.Message...)
		if p := (Piece{Text: piece.Message, Thinking: piece.Thinking}); p != (Piece{}) {
			if err := onPiece(p); err != nil {
				return nil, err
			}
		}
		if piece.Done {
			return piece.reply(string(text)), nil
		}
	}
}

// brokenOff is a stream without its end.
func (c *Client) brokenOff(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return c.failed(ctx.Err(), cause)
	}
	return fault.Wrap(fault.Unavailable, cause, "the answer broke off before its end").On(fault.Service)
}
