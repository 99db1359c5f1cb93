package router

import (
	"io"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// meteredBody knows how the answer ended, and calls end once, when the body is
// closed.
type meteredBody struct {
	io.ReadCloser
	rest   int64         // bytes to come where the length is known, else below 0
	how    fleet.Outcome // were it closed now
	closed bool
	kept   *fleet.AnswerEnd // nil where nothing is to be learned
	end    func(whole bool)
}

// metered returns an answer's body, which calls end once it is closed, with
// whether all of it was read. Of an answer that is counted, it keeps the end.
func metered(answer *fleet.Answer, counted bool, end func(whole bool)) *meteredBody {
	b := &meteredBody{ReadCloser: answer.Body, rest: answer.Length, how: fleet.GivenUp, end: end}
	if counted && answer.Status < 400 {
		b.kept = &fleet.AnswerEnd{}
		answer.End = b.kept
	}
	switch {
	case answer.Status >= 400:
		b.how = fleet.Failed
	case b.rest == 0:
		b.how = fleet.Answered
	}
	return b
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.kept != nil {
		b.kept.Add(p[:n])
	}
	// Who knows the length need not read on to the end that follows it.
	last := b.rest > 0 && b.rest <= int64(n)
	b.rest -= int64(n)
	switch {
	case b.how != fleet.GivenUp: // decided
	case err == io.EOF || last:
		b.how = fleet.Answered
	case err != nil:
		b.how = outcomeOf(err)
	}
	return n, err
}

func (b *meteredBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.ReadCloser.Close()
	b.end(b.how == fleet.Answered)
	return err
}

// outcomeOf returns how a call ended that failed with this error. A caller that
// leaves, or is no longer allowed to ask, has found no fault with the host.
func outcomeOf(err error) fleet.Outcome {
	if fault.KindOf(err) == fault.Canceled || fault.SideOf(err) == fault.Caller {
		return fleet.GivenUp
	}
	return fleet.Failed
}
