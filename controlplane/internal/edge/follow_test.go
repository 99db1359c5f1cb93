package edge

import (
	"context"
	"errors"
	"testing"
)

func newFollowed() *followed { return &followed{groups: map[<-chan struct{}]*group{}} }

// open returns a follower of a key and its context.
func open(t *testing.T, gone <-chan struct{}) (*follower, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return &follower{gone: gone, cancel: cancel}, ctx
}

func TestAllOfAKeyEndWithIt(t *testing.T) {
	w := newFollowed()
	key, other := make(chan struct{}), make(chan struct{})
	first, ctx1 := open(t, key)
	second, ctx2 := open(t, key)
	third, ctx3 := open(t, other)
	left, ctx4 := open(t, key)
	for _, f := range []*follower{first, second, third, left} {
		w.join(f)
	}
	w.leave(left)
	close(key)
	<-ctx1.Done()
	<-ctx2.Done()
	for _, ctx := range []context.Context{ctx1, ctx2} {
		if !errors.Is(context.Cause(ctx), ErrRevoked) {
			t.Errorf("it ended because of %v", context.Cause(ctx))
		}
	}
	late, ctx5 := open(t, key)
	w.join(late)
	<-ctx5.Done()
	if ctx3.Err() != nil || ctx4.Err() != nil {
		t.Errorf("another key's request ended with %v, one that had left with %v", ctx3.Err(), ctx4.Err())
	}
	for _, f := range []*follower{first, second, third, late} {
		w.leave(f)
	}
	if len(w.groups) != 0 {
		t.Errorf("%d groups are left of nobody", len(w.groups))
	}
}

func TestWhoHasLeftDoesNotJoin(t *testing.T) {
	w := newFollowed()
	f, _ := open(t, make(chan struct{}))
	w.leave(f) // the request ended while its timer went off
	w.join(f)
	if len(w.groups) != 0 {
		t.Error("a request is followed that has ended")
	}
}

func TestAKeysLastFollowerEndsTheGoroutine(t *testing.T) {
	w := newFollowed()
	key := make(chan struct{})
	for range 2 { // a key is followed again as if for the first time
		one, _ := open(t, key)
		two, _ := open(t, key)
		w.join(one)
		w.join(two)
		g := w.groups[key]
		w.leave(one)
		select {
		case <-g.over:
			t.Fatal("the goroutine ended with the first of two")
		default:
		}
		w.leave(two)
		select {
		case <-g.over:
		default:
			t.Fatal("the goroutine goes on for nobody")
		}
	}
}
