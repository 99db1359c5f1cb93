package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/sdk/fault"
)

// hangs is a model that answers only with its end.
func hangs(asked, ended chan<- struct{}) chatFunc {
	return func(ctx context.Context, _ chat.Question, _ func(chat.Piece) error) (*chat.Reply, error) {
		asked <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return nil, ctx.Err()
	}
}

func TestChatStreams(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.raw()
	c.say(`{"event":"chat_request","data":{"message":"one two","model":"m","stream":true},"id":1}`)
	c.want(`{"type":"chat_response","data":{"message":"one ","model":"m","done":false},"id":1}`)
	c.want(`{"type":"chat_response","data":{"message":"two","model":"m","done":false},"id":1}`)
	c.want(`{"type":"chat_response","data":{"message":"one two","model":"m","tokens":2,"response_time":1,"done":true},"id":1}`)

	c = f.joined(`40{"token":"operator"}`)
	c.say(`421["chat_request",{"message":"one","model":"m","stream":true}]`)
	c.want(`42["chat_response",{"message":"one","model":"m","done":false}]`)
	c.want(`431[{"message":"one","model":"m","tokens":1,"response_time":1,"done":true}]`)
}

func TestAQuestionSaysOnWhoseBehalfItIs(t *testing.T) {
	asked := make(chan chat.Question, 1)
	f := start(t, func(_ context.Context, q chat.Question, _ func(chat.Piece) error) (*chat.Reply, error) {
		asked <- q
		return &chat.Reply{Model: q.Model}, nil
	}, nil)
	f.raw().say(`{"event":"chat_request","data":{"message":"x","model":"m"}}`)
	want := chat.Question{Message: "x", Model: "m", KeyID: "o", KeyName: "operator", Priority: -1}
	if got := await(t, asked, "the question"); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestChatTellsOfThinking(t *testing.T) {
	f := start(t, func(_ context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error) {
		return &chat.Reply{Model: q.Model}, onPiece(chat.Piece{Thinking: "hm"})
	}, nil)
	c := f.raw()
	c.say(`{"event":"chat_request","data":{"message":"x","model":"m","stream":true}}`)
	c.want(`{"type":"chat_response","data":{"message":"","thinking":"hm","model":"m","done":false}}`)
	c.want(`{"type":"chat_response","data":{"message":"","model":"m","tokens":0,"response_time":0,"done":true}}`)
}

// Open questions hold up neither other events nor each other, and there is an
// end to how many there may be.
func TestChatsRunBesideEachOther(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	f := start(t, func(ctx context.Context, q chat.Question, _ func(chat.Piece) error) (*chat.Reply, error) {
		asked <- struct{}{}
		select {
		case <-answer:
			return &chat.Reply{Message: "done", Model: q.Model}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, nil)
	c := f.raw()
	for i := range maxQuestions {
		c.say(fmt.Sprintf(`{"event":"chat_request","data":{"message":"x","model":"m"},"id":%d}`, i))
		await(t, asked, "a question")
	}
	c.say(`{"event":"get_models","id":"beside"}`)
	c.want(`{"type":"models_list","data":[],"id":"beside"}`)
	question := `{"event":"chat_request","data":{"message":"x","model":"m"},"id":"more"}`
	c.say(question)
	if got := c.hear(); !strings.Contains(got, `"code":"rate_limited"`) || !strings.HasSuffix(got, `"id":"more"}`) {
		t.Errorf("one too many: %s", got)
	}
	answer <- struct{}{}
	if got := c.hearFrame(); got.Type != "chat_response" {
		t.Fatalf("%+v", got)
	}
	c.say(question) // an answer has made room
	await(t, asked, "the next question")
}

func TestChatEndsWithTheConnection(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{}, 1)
	f := start(t, hangs(asked, ended), nil)
	c := f.raw()
	c.say(`{"event":"chat_request","data":{"message":"x","model":"m"}}`)
	await(t, asked, "the question")
	c.Close()
	await(t, ended, "the end of the question")
}

func TestChatFails(t *testing.T) {
	for _, c := range []struct {
		ask  func() error
		want string
	}{
		{func() error { return fault.New(fault.NotFound, `no host has the model "m"`) }, `"code":"not_found","error":"no host has the model \"m\""`},
		{func() error { return errors.New("secret") }, `"code":"internal","error":"something went wrong inside the server`},
		{func() error { panic("secret") }, `"code":"internal","error":"something went wrong inside the server`},
	} {
		f := start(t, func(context.Context, chat.Question, func(chat.Piece) error) (*chat.Reply, error) {
			return nil, c.ask()
		}, nil)
		conn := f.raw()
		conn.say(`{"event":"chat_request","data":{"message":"x","model":"m"},"id":1}`)
		if got := conn.hear(); !strings.HasPrefix(got, `{"type":"error","data":{"event":"chat_request",`+c.want) || strings.Contains(got, "secret") {
			t.Error(got)
		}
		conn.say(`{"event":"get_models"}`)
		conn.want(`{"type":"models_list","data":[]}`)
	}
}
