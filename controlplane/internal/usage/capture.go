package usage

import (
	"context"
	"sync/atomic"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// maxCaptureBytes bounds what is kept of a request's body, and of an answer's.
	maxCaptureBytes = 256 << 10
	// maxCapturesBytes bounds what all captures hold that are not stored yet,
	// however many streams are open and however long the disk is full.
	maxCapturesBytes = 64 << 20
)

// room is what captures may hold in memory.
type room struct{ held atomic.Int64 } // bytes

// add returns kept with as much of p behind it as may be, and whether that is
// not all of it.
func (r *room) add(kept, p []byte) (_ []byte, cut bool) {
	if free := maxCaptureBytes - len(kept); len(p) > free {
		p, cut = p[:free], true
	}
	if r.held.Add(int64(len(p))) > maxCapturesBytes {
		r.held.Add(-int64(len(p)))
		return kept, true
	}
	return append(kept, p...), cut
}

// capture is what is kept of a request and its answer while it is under way. A
// nil one keeps nothing.
type capture struct {
	room *room
	kept fleet.Capture
}

// capture begins to keep a call, if that is wanted now.
func (l *Ledger) capture(call *fleet.Call) *capture {
	if !l.captures() {
		return nil
	}
	c := &capture{room: &l.room}
	c.kept.Request, c.kept.RequestCut = l.room.add(nil, call.Body)
	return c
}

// answer notes bytes of the answer that pass by.
func (c *capture) answer(p []byte) {
	if c == nil || c.kept.AnswerCut {
		return
	}
	c.kept.Answer, c.kept.AnswerCut = c.room.add(c.kept.Answer, p)
}

// drop gives the memory back that a capture held.
func (c *capture) drop() {
	if c != nil {
		c.room.drop(&c.kept)
	}
}

func (r *room) drop(c *fleet.Capture) {
	r.held.Add(-int64(len(c.Request) + len(c.Answer)))
}

// DeleteCaptures forgets every capture, also those of requests under way.
func (l *Ledger) DeleteCaptures(ctx context.Context) error {
	l.storing.Lock() // so that what is being stored just now is there to be deleted
	l.forgotten = l.now()
	l.storing.Unlock()
	return l.store.DeleteCaptures(ctx)
}

// Capture returns what a request asked and was answered, by its id. Where that
// is not kept it is fault.NotFound.
func (l *Ledger) Capture(ctx context.Context, id string) (fleet.Capture, error) {
	return l.store.Capture(ctx, id)
}

// append stores what is waiting, without captures that nobody wants any more.
func (w *writer) append(ctx context.Context) error {
	w.storing.Lock()
	defer w.storing.Unlock()
	wanted := w.captures()
	for i := range w.waiting {
		if r := &w.waiting[i]; r.Capture != nil && !(wanted && r.At.After(w.forgotten)) {
			w.room.drop(r.Capture)
			r.Capture = nil
		}
	}
	if err := w.store.AppendUsage(ctx, w.waiting); err != nil {
		return err
	}
	for i := range w.waiting {
		if c := w.waiting[i].Capture; c != nil {
			w.room.drop(c)
		}
	}
	return nil
}
