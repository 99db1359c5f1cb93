package live

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxQuestions is how many questions a connection may have open at once.
const maxQuestions = 8

// chatRequest is the data of chat_request.
type chatRequest struct {
	Message string `json:"message"`
	Model   string `json:"model"`
	Stream  bool   `json:"stream"`
}

// chatPiece is the data of a chat_response before the last one.
type chatPiece struct {
	Message  string `json:"message"`
	Thinking string `json:"thinking,omitempty"`
	Model    string `json:"model"`
	Done     bool   `json:"done"` // false
}

// chatWhole is the data of the last chat_response.
type chatWhole struct {
	Message        string `json:"message"`
	Model          string `json:"model"`
	Tokens         int    `json:"tokens"`
	ResponseMillis int64  `json:"response_time"`
	Done           bool   `json:"done"` // true
}

// chat asks a model. The answer comes when it is there; meanwhile the client may
// send other events, and other questions too.
func (s *session) chat(ctx context.Context, r request) error {
	var body chatRequest
	if err := decodeData(r.data, &body); err != nil {
		return err
	}
	q := chat.Question{
		Message: body.Message, Model: body.Model,
		KeyID: s.caller.ID, KeyName: s.caller.Name, Priority: s.caller.Priority,
	}
	if err := q.Validate(); err != nil {
		return err
	}
	return s.later(ctx, r, func() (func() error, error) {
		whole, err := s.ask(ctx, r, q, body.Stream)
		return func() error { return s.answer(r, "chat_response", whole) }, err
	})
}

// later answers a request when that can be done, which may take a while. Find returns
// what answers it.
func (s *session) later(ctx context.Context, r request, find func() (func() error, error)) error {
	select {
	case s.places <- struct{}{}:
	default:
		return fault.New(fault.RateLimited, "%d questions of this connection are open already; wait for one of them", maxQuestions).On(fault.Caller)
	}
	s.running.Go(func() {
		answer, err := guarded(find)
		<-s.places // before the answer, on which the client may ask again
		if err == nil {
			err = answer()
		}
		if err != nil && ctx.Err() == nil {
			s.fail(r, err)
		}
	})
	return nil
}

// guarded makes an error of a panic, which would end the process here.
func guarded(find func() (func() error, error)) (answer func() error, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", v, debug.Stack()), "")
		}
	}()
	return find()
}

// ask asks the model and tells the client of the pieces, if it wants them.
func (s *session) ask(ctx context.Context, r request, q chat.Question, stream bool) (chatWhole, error) {
	reply, err := s.live.chat.Ask(ctx, q, func(p chat.Piece) error {
		if !stream {
			return ctx.Err()
		}
		return s.tell(r, "chat_response", chatPiece{Message: p.Text, Thinking: p.Thinking, Model: q.Model})
	})
	if err != nil {
		return chatWhole{}, err
	}
	return chatWhole{
		Message: reply.Message, Model: reply.Model, Tokens: reply.Tokens,
		ResponseMillis: reply.ResponseTime.Milliseconds(), Done: true,
	}, nil
}
