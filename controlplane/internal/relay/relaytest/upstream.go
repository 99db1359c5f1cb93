package relaytest

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Forward stands in for every host: it is a function that answers calls.
type Forward func(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error)

// Forward implements [fleet.Forwarder].
func (f Forward) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	return f(ctx, model, call)
}

// NoModels answers every call as a fleet without models.
func NoModels(_ context.Context, model string, _ fleet.Call) (*fleet.Answer, error) {
	return nil, fault.New(fault.NotFound, "model %q not found", model).On(fault.Caller)
}

// Target is where every answer of this package comes from.
func Target() fleet.Target {
	return fleet.Target{HostID: "h1", Host: "alpha", Instance: "default"}
}

// Answer returns an answer with a body of known length.
func Answer(status int, contentType, body string) *fleet.Answer {
	return &fleet.Answer{
		Status: status, Fields: []fleet.Field{{Name: "Content-Type", Value: contentType}, {Name: "Server", Value: "x"}},
		Length: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Target: Target(),
	}
}

// Stream returns an answer whose body comes in these pieces and then ends with
// err, nil being its proper end.
func Stream(contentType string, err error, pieces ...string) *fleet.Answer {
	answer := Answer(200, contentType, "")
	answer.Length, answer.Body = -1, &piecemeal{pieces: slices.Clone(pieces), err: err}
	return answer
}

type piecemeal struct {
	pieces []string
	err    error
}

func (b *piecemeal) Read(p []byte) (int, error) {
	if len(b.pieces) == 0 {
		if b.err == nil {
			return 0, io.EOF
		}
		return 0, b.err
	}
	n := copy(p, b.pieces[0])
	if b.pieces[0] = b.pieces[0][n:]; b.pieces[0] == "" {
		b.pieces = b.pieces[1:]
	}
	return n, nil
}

func (b *piecemeal) Close() error { return nil }

// Endless is a body that says one piece and then nothing, until its context
// ends or it is closed.
type Endless struct {
	gone   <-chan struct{}
	piece  string
	closed sync.Once
	Over   chan struct{} // closed with the body
}

// NewEndless returns such a body.
func NewEndless(ctx context.Context, piece string) *Endless {
	return &Endless{gone: ctx.Done(), piece: piece, Over: make(chan struct{})}
}

// Read implements io.Reader.
func (e *Endless) Read(p []byte) (int, error) {
	if e.piece != "" {
		n := copy(p, e.piece)
		e.piece = e.piece[n:]
		return n, nil
	}
	select {
	case <-e.gone:
		return 0, context.Canceled
	case <-e.Over:
		return 0, io.ErrClosedPipe
	}
}

// Close implements io.Closer.
func (e *Endless) Close() error {
	e.closed.Do(func() { close(e.Over) })
	return nil
}
