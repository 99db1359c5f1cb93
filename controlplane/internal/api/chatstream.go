package api

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/waiting"
	"github.com/corral-fleet/corral/sdk/fault"
)

const lineType = "application/x-ndjson"

// chatStream answers piece by piece: in events, or in lines where the client
// prefers those. It waits a while for the first piece, so that an error before
// that still has its status, and gives signs of life when it has to wait longer.
func (a *API) chatStream(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	q, err := question(r)
	if err != nil {
		return nil, err
	}
	lines := strings.Contains(r.Header("Accept"), lineType)
	contentType := "text/event-stream"
	if lines {
		contentType = lineType
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &conversation{
		model: q.Model, lines: lines, log: a.Log, cancel: cancel,
		events: make(chan []byte), closed: make(chan struct{}), over: make(chan struct{}),
	}
	go c.run(ctx, a.Chat, q)
	header := []edge.HeaderField{{Name: "Content-Type", Value: contentType}, {Name: "X-Accel-Buffering", Value: "no"}}
	patience := time.NewTimer(waiting.Patience)
	defer patience.Stop()
	select {
	case first, ok := <-c.events:
		if !ok {
			return nil, relay.Explained(c.end())
		}
		c.rest, c.heard = first, true
		header = append(header, relay.AnswerHeader(c.target, c.decision)...)
	case <-patience.C:
		c.rest = c.sign()
	}
	return &edge.Response{Status: 200, Stream: c, Header: header}, nil
}

// The events of a stream.
type (
	pieceEvent struct {
		Message  string `json:"message"`
		Thinking string `json:"thinking,omitempty"`
		Model    string `json:"model"`
		Done     bool   `json:"done"`
	}
	lastEvent struct {
		pieceEvent
		Tokens       int   `json:"tokens"`
		ResponseTime int64 `json:"response_time"` // milliseconds
	}
)

// conversation turns an answer, which is pushed, into a body, which is read: one
// goroutine asks, and hands each event over when it is read. Close ends it.
type conversation struct {
	model  string
	lines  bool // and not events
	log    hclog.Logger
	cancel context.CancelFunc

	// Who answers, and by which decision; written before the first event is
	// handed over, and never after.
	target   fleet.Target
	decision string

	events chan []byte   // closed after the last one
	closed chan struct{} // when nobody reads any more
	over   chan struct{} // closed when the goroutine has ended
	failed error         // what no event could tell; read when over is closed
	rest   []byte        // of the event that is being read
	heard  bool          // an event has been read
}

// run asks the model. Nothing of it is left when over is closed.
func (c *conversation) run(ctx context.Context, model Chat, q chat.Question) {
	defer close(c.over)
	defer close(c.events)
	begun, said := false, 0
	reply, err := model.Ask(ctx, q, func(p chat.Piece) error {
		said += len(p.Text)
		if !begun {
			c.target, c.decision = p.Target, p.Decision
		}
		err := c.send(ctx, pieceEvent{Message: p.Text, Thinking: p.Thinking, Model: c.model})
		begun = begun || err == nil
		return err
	})
	switch {
	case err == nil:
		if !begun {
			c.target, c.decision = reply.Target, reply.Decision
		}
		c.failed = c.send(ctx, lastEvent{
			pieceEvent:   pieceEvent{Message: reply.Message[min(said, len(reply.Message)):], Model: c.model, Done: true},
			Tokens:       reply.Tokens,
			ResponseTime: reply.ResponseTime.Milliseconds(),
		})
	case !begun:
		c.failed = err
	default:
		if ctx.Err() == nil {
			c.log.Warn("answer broke off", "model", c.model, "error", err)
		}
		// Where ctx has ended its reader may still be there to be told.
		select {
		case c.events <- c.frame(lastWords(err)):
		case <-c.closed:
		}
	}
}

// lastWords is an error as dashboards get it, with done beside it.
func lastWords(err error) []byte {
	body := edge.ErrorBody(edge.Dashboard, err) // an object
	return append(body[:len(body)-1], `,"done":true}`...)
}

// send hands an event over and waits until it is read.
func (c *conversation) send(ctx context.Context, event any) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	select {
	case c.events <- c.frame(body):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// frame makes an event of its body.
func (c *conversation) frame(body []byte) []byte {
	if c.lines {
		return append(body, '\n')
	}
	return slices.Concat([]byte("data: "), body, []byte("\n\n"))
}

// Read implements io.Reader: one event, or a part of a long one.
func (c *conversation) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		var late <-chan time.Time // nil once the answer has begun
		if !c.heard {
			late = time.After(waiting.Patience)
		}
		select {
		case event, ok := <-c.events:
			if !ok {
				<-c.over
				if err := c.ended(); err != nil {
					return 0, err
				}
				continue
			}
			c.rest, c.heard = event, true
		case <-late:
			c.rest = c.sign()
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// ended returns how the stream ends when there are no more events. An error of an
// answer that never began is told in the stream, whose status has gone out.
func (c *conversation) ended() error {
	if c.failed == nil || c.heard || fault.KindOf(c.failed) == fault.Canceled {
		return cmp.Or(c.failed, io.EOF)
	}
	c.log.Warn("chat failed after a wait", "model", c.model, "error", c.failed)
	c.rest, c.failed, c.heard = c.frame(lastWords(c.failed)), nil, true
	return nil
}

// sign is what a client reads while it waits, and makes nothing of.
func (c *conversation) sign() []byte {
	if !c.lines {
		return []byte(": waiting\n\n")
	}
	// Strings can always be encoded.
	body, _ := json.Marshal(pieceEvent{Model: c.model})
	return append(body, '\n')
}

// Close implements io.Closer. It ends the generation if that still goes on.
func (c *conversation) Close() error {
	c.cancel()
	close(c.closed)
	<-c.over
	return nil
}

// end waits for the goroutine of an answer that never began, and returns why.
func (c *conversation) end() error {
	<-c.over
	c.cancel()
	return c.failed
}
