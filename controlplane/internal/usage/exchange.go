package usage

import (
	"errors"
	"io"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// exchange is a request and its answer. As the answer's body it hears how that
// ends; what Ollama counted is read from the answer's end, and only afterwards.
type exchange struct {
	ledger *Ledger
	began  time.Time
	first  time.Time // when the answer's first bytes came
	ended  time.Time

	asked    string
	path     string
	from     fleet.Origin
	streamed bool
	place    *fleet.Place // in line
	own      fleet.Place  // where nobody else asks

	target        fleet.Target
	decision      string
	model, digest string
	status        int

	body    io.ReadCloser // nil once it is closed
	rest    int64         // bytes to come where the length is known, else below 0
	outcome fleet.Outcome // were it closed now
	capture *capture      // nil unless captures are on
	kind    fault.Kind    // of what went wrong
	end     *fleet.AnswerEnd
}

// errClosed is what reading a closed body ends with.
var errClosed = errors.New("usage: read after close")

// follow takes over an answer's body.
func (e *exchange) follow(a *fleet.Answer) {
	e.target, e.decision, e.model, e.digest, e.end = a.Target, a.Decision, a.Model, a.Digest, a.End
	e.status, e.body, e.rest, e.outcome = a.Status, a.Body, a.Length, fleet.GivenUp
	switch {
	case a.Status >= 400:
		e.outcome, e.kind = fleet.Failed, kindOf(a.Status)
	case e.rest == 0:
		e.outcome = fleet.Answered
	}
}

// fail notes that the request ended with an error. Whoever left has found no
// fault with anybody.
func (e *exchange) fail(err error) {
	e.outcome, e.kind = fleet.Failed, fault.KindOf(err)
	if e.kind == fault.Canceled {
		e.outcome = fleet.GivenUp
	}
	if decided, ok := errors.AsType[*fleet.DecidedError](err); ok {
		e.decision = decided.Decision
	}
}

// Read implements io.Reader.
func (e *exchange) Read(p []byte) (int, error) {
	if e.body == nil {
		return 0, errClosed
	}
	n, err := e.body.Read(p)
	if n > 0 && e.first.IsZero() {
		e.first = e.ledger.now()
	}
	e.capture.answer(p[:n])
	// Who knows the length need not read on to the end that follows it.
	last := e.rest > 0 && e.rest <= int64(n)
	e.rest -= int64(n)
	switch {
	case e.outcome != fleet.GivenUp: // decided
	case err == io.EOF || last:
		e.outcome = fleet.Answered
	case err != nil:
		e.fail(err)
	}
	return n, err
}

// Close implements io.Closer. It notes the request.
func (e *exchange) Close() error {
	if e.body == nil {
		return nil
	}
	err := e.body.Close()
	e.body = nil
	e.ledger.note(e)
	return err
}

// kindOf is the kind that stands for a status.
func kindOf(status int) fault.Kind {
	switch status {
	case 400:
		return fault.Invalid
	case 404:
		return fault.NotFound
	case 413:
		return fault.TooLarge
	case 429:
		return fault.RateLimited
	case 501:
		return fault.NotImplemented
	}
	return fault.Unavailable
}
