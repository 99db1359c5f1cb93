package edge

import (
	"context"
	"sync"
	"time"
)

// followAfter is how old a request has to be for its caller's key to be
// followed: a revocation has to reach what goes on, and most requests are over
// before that would have paid off.
const followAfter = time.Second

// followCaller ends a context when its caller's key is revoked or its session
// ends. The returned function ends the following.
func (s *Server) followCaller(cancel context.CancelCauseFunc, a *admission) (stop func()) {
	gone, expires := a.request.Caller.Gone, a.request.Caller.Expires
	var expiry, grown *time.Timer
	if !expires.IsZero() {
		expiry = time.AfterFunc(time.Until(expires), func() { cancel(ErrRevoked) })
	}
	f := &follower{gone: gone, cancel: cancel}
	if gone != nil {
		grown = time.AfterFunc(followAfter, func() { s.followed.join(f) })
	}
	return func() {
		if expiry != nil {
			expiry.Stop()
		}
		if grown != nil && !grown.Stop() {
			s.followed.leave(f)
		}
	}
}

// followed are the requests and sockets whose caller's key is followed. All that
// share a key share one goroutine, which is there for as long as they are: ten
// thousand streams of one caller would have as many that wait for the same.
type followed struct {
	mu     sync.Mutex
	groups map[<-chan struct{}]*group
}

// group are those that end with one key.
type group struct {
	members map[*follower]struct{}
	empty   chan struct{} // closed when the last has left
	over    chan struct{} // closed when the goroutine has ended
}

// follower is one request or socket.
type follower struct {
	gone   <-chan struct{}
	cancel context.CancelCauseFunc
	left   bool // guarded by followed
}

// join has a follower's context ended when its key is revoked. One that has left
// already stays away.
func (w *followed) join(f *follower) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.left {
		return
	}
	g := w.groups[f.gone]
	if g == nil {
		g = &group{members: map[*follower]struct{}{}, empty: make(chan struct{}), over: make(chan struct{})}
		w.groups[f.gone] = g
		go w.wait(f.gone, g)
	}
	g.members[f] = struct{}{}
}

// leave is called once, when a request or socket has ended.
func (w *followed) leave(f *follower) {
	w.mu.Lock()
	f.left = true
	g := w.groups[f.gone]
	if g == nil { // the key is gone, or was never joined
		w.mu.Unlock()
		return
	}
	delete(g.members, f)
	last := len(g.members) == 0
	if last {
		delete(w.groups, f.gone)
		close(g.empty)
	}
	w.mu.Unlock()
	if last {
		<-g.over
	}
}

// wait ends the contexts of a group when its key is revoked.
func (w *followed) wait(gone <-chan struct{}, g *group) {
	defer close(g.over)
	select {
	case <-g.empty:
	case <-gone:
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.groups[gone] == g {
			delete(w.groups, gone) // who joins later ends at once, by a group of its own
		}
		for f := range g.members {
			f.cancel(ErrRevoked)
		}
	}
}
