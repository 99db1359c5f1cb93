// Package usage keeps what each request to a model used: who asked, which host
// answered, how long it took and how many tokens it was, by Ollama's own counts.
// Neither questions nor answers are kept, unless that is asked for.
package usage

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

// maxEnded is how many requests may have ended and wait to be noted.
const maxEnded = 8192

// Ledger notes the requests that pass through it. What it costs a request is to
// note where its answer ends; the rest is done by Run. Its methods may be called
// concurrently.
type Ledger struct {
	next      fleet.Forwarder
	store     fleet.UsageStore
	retention func() time.Duration
	captures  func() bool
	now       func() time.Time
	log       hclog.Logger

	ended chan *exchange
	lost  atomic.Uint64
	room  room

	storing   sync.Mutex // held while rows are stored; guards what follows
	forgotten time.Time  // captures of requests that came until then are not kept
}

// Options are what a [Ledger] works with. All fields are required.
type Options struct {
	Next      fleet.Forwarder // what requests go on to
	Store     fleet.UsageStore
	Retention func() time.Duration // how long requests are kept
	Captures  func() bool          // whether what is asked and answered is kept; must be quick
	Now       func() time.Time
	Log       hclog.Logger
}

var _ fleet.Forwarder = (*Ledger)(nil)

// New returns a ledger. Nothing is stored before Run.
func New(o Options) *Ledger {
	return &Ledger{
		next: o.Next, store: o.Store, retention: o.Retention, captures: o.Captures, now: o.Now, log: o.Log,
		ended: make(chan *exchange, maxEnded),
	}
}

// Forward implements [fleet.Forwarder]. A request to a model is noted when its
// answer's body is closed, or when it fails; others are only passed on.
func (l *Ledger) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	if !runsModel(call.Path) {
		return l.next.Forward(ctx, model, call)
	}
	e := &exchange{ledger: l, began: l.now(), asked: model, path: call.Path, from: call.From, streamed: asksForStream(call.Fields)}
	if call.Place == nil {
		call.Place = &e.own
	}
	e.place = call.Place
	e.capture = l.capture(&call)
	answer, err := l.next.Forward(ctx, model, call)
	if err != nil {
		e.fail(err)
		l.note(e)
		return nil, err
	}
	e.follow(answer)
	answer.Body = e
	return answer, nil
}

// Lost returns how many requests could not be noted since the server started.
func (l *Ledger) Lost() uint64 { return l.lost.Load() }

// note hands a request that has ended over to Run. Nobody waits for that.
func (l *Ledger) note(e *exchange) {
	e.ended = l.now()
	select {
	case l.ended <- e:
	default:
		l.lost.Add(1)
		e.capture.drop()
	}
}

// runsModel reports whether a route of Ollama has a model do something.
func runsModel(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	switch path {
	case "/api/chat", "/api/generate", "/api/embed", "/api/embeddings",
		"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages":
		return true
	}
	return false
}

func asksForStream(fields []fleet.Field) bool {
	for i := range fields {
		if fields[i].Name == wire.StreamField {
			return true
		}
	}
	return false
}
