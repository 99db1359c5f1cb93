package uploads

import (
	"context"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
)

// ErrTakenOver is why work on an upload ends when somebody else begins to.
var ErrTakenOver error = fault.New(fault.Conflict, "another connection goes on with this upload").On(fault.Caller)

// turns lets one at a time work on each upload: who came last. A client whose line
// breaks is back long before the server has noticed, and must not wait for its own
// former connection.
type turns struct {
	mu   sync.Mutex
	byID map[string]*turn
}

// turn is an upload that somebody works on or wants to.
type turn struct {
	place  chan struct{} // of one place; holding it is having the turn
	newest context.CancelCauseFunc
	users  int
}

// take waits for the turn and makes whoever has it, or waits for it, give it up. The
// returned context ends in the same way. leave has to be called.
func (t *turns) take(ctx context.Context, id string) (held context.Context, leave func(), err error) {
	held, cancel := context.WithCancelCause(ctx)
	t.mu.Lock()
	at := t.at(id)
	if at.newest != nil {
		at.newest(ErrTakenOver)
	}
	at.newest = cancel
	t.mu.Unlock()
	select {
	case at.place <- struct{}{}:
		return held, func() { t.release(id, at, cancel) }, nil
	case <-held.Done():
		t.leave(id, at)
		return nil, nil, context.Cause(held)
	}
}

// tryTake takes the turn only if nobody has it or waits for it.
func (t *turns) tryTake(ctx context.Context, id string) (held context.Context, leave func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[id] != nil {
		return nil, nil, false
	}
	held, cancel := context.WithCancelCause(ctx)
	at := t.at(id)
	at.newest = cancel
	at.place <- struct{}{}
	return held, func() { t.release(id, at, cancel) }, true
}

func (t *turns) release(id string, at *turn, cancel context.CancelCauseFunc) {
	<-at.place
	t.leave(id, at)
	cancel(nil)
}

func (t *turns) at(id string) *turn {
	at := t.byID[id]
	if at == nil {
		at = &turn{place: make(chan struct{}, 1)}
		t.byID[id] = at
	}
	at.users++
	return at
}

func (t *turns) leave(id string, at *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(t.byID, id)
	}
}
