package router

import (
	"context"
	"io"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
	"github.com/corral-fleet/corral/controlplane/internal/router/failover"
	"github.com/corral-fleet/corral/sdk/fault"
)

// attempt is what came of sending a request to one instance: an answer of which
// the first bytes have come, or an error.
type attempt struct {
	answer *fleet.Answer
	body   *openedBody // of the answer
	err    error
	blame  failover.Blame
}

// drop gives up an attempt that another one follows.
func (t attempt) drop() {
	if t.body != nil {
		_ = t.body.Close() // nobody reads what is left
	}
}

// attempt sends a request to the instance that was chosen and waits for the
// first bytes of its answer, so that what breaks off before them can be sent to
// another. The breakers hear how it went.
func (r *Router) attempt(ctx context.Context, a *ask, c *choice, call fleet.Call) attempt {
	pass, ok := r.guard.Breakers.Enter(c.to.Report.Target, c.to.Name)
	if !ok { // somebody else's probe was quicker
		r.release(a, c, fleet.Counts{})
		err := fault.New(fault.Unavailable, "host %q failed too often just now", c.to.Report.Target.Host).On(fault.Host).After(retrySoon)
		return attempt{err: err, blame: failover.BlameInstance}
	}
	answer, metered, err := r.send(ctx, a, c, call)
	if err != nil {
		return r.fails(pass, err)
	}
	body := &openedBody{meteredBody: metered, breakers: r.guard.Breakers, pass: pass, memory: openings.Get().(*[]byte)}
	answer.Body = body
	if answer.Status >= 400 {
		return r.refused(answer, body)
	}
	if err := body.open(); err != nil {
		t := r.fails(pass, err)
		body.judged = true
		_ = body.Close() // what went wrong has been told
		return t
	}
	r.guard.Breakers.Began(pass)
	return attempt{answer: answer, body: body, blame: failover.BlameNone}
}

// fails is an attempt that ended before the first byte of an answer.
func (r *Router) fails(pass breaker.Pass, err error) attempt {
	blame := failover.OfError(err)
	switch {
	case blame != failover.BlameInstance && blame != failover.BlameUnknown:
		r.guard.Breakers.Abandoned(pass)
	case fault.KindOf(err) == fault.Timeout:
		r.guard.Breakers.Failed(pass, breaker.NoFirstToken, fault.MessageOf(err))
	case fault.SideOf(err) == fault.Host:
		r.guard.Breakers.Failed(pass, breaker.Refused, fault.MessageOf(err))
	default:
		r.guard.Breakers.Failed(pass, breaker.BrokenOff, fault.MessageOf(err))
	}
	return attempt{err: err, blame: blame}
}

// refused is an attempt that was answered with an error.
func (r *Router) refused(answer *fleet.Answer, body *openedBody) attempt {
	body.openWhole()
	blame := failover.OfAnswer(answer.Status, body.opening)
	body.judged = true
	switch blame {
	case failover.BlameInstance, failover.BlameUnknown:
		r.guard.Breakers.Failed(body.pass, breaker.ServerError, "Ollama answered with an error")
	case failover.BlameRequest, failover.BlameNone:
		r.guard.Breakers.Succeeded(body.pass)
	case failover.BlameCaller, failover.BlameBusy:
		r.guard.Breakers.Abandoned(body.pass)
	}
	return attempt{answer: answer, body: body, blame: blame}
}

// openings are the memory that the first bytes of answers are read into.
var openings = sync.Pool{New: func() any {
	memory := make([]byte, failover.MaxReasonBytes)
	return &memory
}}

// openedBody is a body whose first bytes have been read already. When it is
// closed, the breakers hear how it went, unless they have.
type openedBody struct {
	*meteredBody
	breakers *breaker.Breaker
	pass     breaker.Pass
	judged   bool
	ended    func(fleet.Outcome) // nil unless somebody counts it

	memory  *[]byte // holds the opening; nil once that has been read
	opening []byte  // what is left of it
	failure error   // of the last Read below
	shut    bool
}

// open waits for the first bytes.
func (b *openedBody) open() error {
	n, err := b.meteredBody.Read(*b.memory)
	b.opening, b.failure = (*b.memory)[:n], err
	if n > 0 || err == io.EOF {
		return nil
	}
	return err
}

// openWhole reads as much of the body as there is room for.
func (b *openedBody) openWhole() {
	n := 0
	for n < len(*b.memory) && b.failure == nil {
		var more int
		more, b.failure = b.meteredBody.Read((*b.memory)[n:])
		n += more
	}
	b.opening = (*b.memory)[:n]
}

func (b *openedBody) Read(p []byte) (int, error) {
	if len(b.opening) > 0 {
		n := copy(p, b.opening)
		b.opening = b.opening[n:]
		if len(b.opening) == 0 {
			b.release()
			return n, b.failure
		}
		return n, nil
	}
	if b.failure != nil {
		return 0, b.failure
	}
	n, err := b.meteredBody.Read(p)
	b.failure = err
	return n, err
}

func (b *openedBody) Close() error {
	if b.shut {
		return nil
	}
	b.shut = true
	err := b.meteredBody.Close()
	if !b.judged {
		b.judge()
	}
	if b.ended != nil {
		b.ended(b.outcome())
	}
	b.release()
	return err
}

// release gives the memory back: most of an answer comes after its opening, and
// ten thousand that are open at once would hold a lot of it for nothing.
func (b *openedBody) release() {
	if b.memory != nil {
		openings.Put(b.memory)
		b.memory, b.opening = nil, nil
	}
}

// outcome returns how the answer ended for who read it: what was read ahead and
// left is as little wanted as the rest.
func (b *openedBody) outcome() fleet.Outcome {
	if b.how == fleet.Answered && len(b.opening) > 0 {
		return fleet.GivenUp
	}
	return b.how
}

func (b *openedBody) judge() {
	switch {
	case b.how == fleet.Answered:
		b.breakers.Succeeded(b.pass)
	case b.how == fleet.GivenUp:
		b.breakers.Abandoned(b.pass)
	case fault.KindOf(b.failure) == fault.Timeout:
		b.breakers.Failed(b.pass, breaker.Stalled, fault.MessageOf(b.failure))
	default:
		b.breakers.Failed(b.pass, breaker.BrokenAnswer, fault.MessageOf(b.failure))
	}
}
