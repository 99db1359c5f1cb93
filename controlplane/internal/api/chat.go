package api

import (
	"bytes"
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
)

// maxChatBytes is the limit of Ollama's own bodies, which have images in them.
const maxChatBytes = relay.MaxBodyBytes

// chatResponse is a whole answer.
type chatResponse struct {
	Message      string `json:"message"`
	Model        string `json:"model"`
	Tokens       int    `json:"tokens"`
	ResponseTime int64  `json:"response_time"` // milliseconds
}

// present is a field of which only matters whether it is there.
type present bool

// UnmarshalJSON implements [json.Unmarshaler].
func (p *present) UnmarshalJSON([]byte) error {
	*p = true
	return nil
}

// chat answers the dashboard's question, or Ollama's own body: the body decides.
func (a *API) chat(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	var has struct {
		Messages present `json:"messages"`
	}
	err := decode(r.Body, &has)
	if bool(has.Messages) || err != nil && bytes.Contains(r.Body, []byte(`"messages":`)) { // which Ollama has words of its own for
		return a.Native(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	q, err := question(r)
	if err != nil {
		return nil, err
	}
	reply, err := a.Chat.Ask(ctx, q, func(chat.Piece) error { return nil })
	if err != nil {
		return nil, relay.Explained(err)
	}
	resp, err := edge.JSON(200, chatResponse{
		Message: reply.Message, Model: reply.Model, Tokens: reply.Tokens, ResponseTime: reply.ResponseTime.Milliseconds(),
	})
	if err != nil {
		return nil, err
	}
	resp.Header = append(resp.Header, relay.AnswerHeader(reply.Target, reply.Decision)...)
	return resp, nil
}

// question reads what the dashboard asks.
func question(r *edge.Request) (chat.Question, error) {
	var asked struct {
		Message string `json:"message"`
		Model   string `json:"model"`
	}
	if err := decode(r.Body, &asked); err != nil {
		return chat.Question{}, err
	}
	q := chat.Question{
		Message: asked.Message, Model: asked.Model,
		KeyID: r.Caller.ID, KeyName: r.Caller.Name, Priority: r.Caller.Priority,
	}
	return q, q.Validate()
}
