package hostmetrics

import (
	"errors"
	"sync"
	"time"
)

// patience is how long the background waits for one call before it goes on to
// the next. A call that answers later still counts.
const patience = 2 * time.Second

// The reasons for which a reading has no outcome.
var (
	errHangs      = errors.New("the kernel does not answer")
	errManyHang   = errors.New("too many other calls hang to try this one")
	errStillHangs = errors.New("the kernel still does not answer an earlier call")
)

// attempts are the calls that may hang, by what they depend on, so that network
// mounts whose server is away cannot keep local disks from being read.
type attempts struct {
	local, remote, sensors *lane
}

func newAttempts() attempts {
	return attempts{local: newLane(4), remote: newLane(4), sensors: newLane(1)}
}

// lane runs calls that may never return, each on a goroutine of its own, of
// which a bounded number hangs at any time.
type lane struct {
	limit int

	mu      sync.Mutex
	hanging map[string]bool // by key; also those that have only just started
}

func newLane(limit int) *lane {
	return &lane{limit: limit, hanging: make(map[string]bool)}
}

// try runs call unless one with the same key still runs, and returns nil when
// it has returned. A call that takes longer than a moment is left to itself and
// is an error; so is one that could not be started.
//
// Nothing can end a call that hangs in the kernel, so it may outlive everything
// else: it must touch only what is its own or guarded.
func (l *lane) try(key string, call func()) error {
	if err := l.enter(key); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer l.leave(key)
		call()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return errHangs
	}
}

func (l *lane) enter(key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.hanging[key]:
		return errStillHangs
	case len(l.hanging) >= l.limit:
		return errManyHang
	}
	l.hanging[key] = true
	return nil
}

func (l *lane) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.hanging, key)
}
