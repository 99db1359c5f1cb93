package queue

import (
	"context"
	"fmt"
	"testing"
	"time"
)

const model = "tiny:latest"

// clock is a time that a test moves. It belongs to one goroutine.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time        { return c.at }
func (c *clock) pass(by time.Duration) { c.at = c.at.Add(by) }

// lab is a queue with so many places in service for the model.
func lab(o Options, places int) (*Queue, *clock) {
	c := newClock()
	o.Now = c.now
	q := New(o)
	q.SetCapacity(model, places)
	return q, c
}

func enter(t testing.TB, q *Queue, key string, cost float64) *Ticket {
	t.Helper()
	return enterAt(t, q, key, 0, cost)
}

func enterAt(t testing.TB, q *Queue, key string, priority int, cost float64) *Ticket {
	t.Helper()
	ticket, err := q.Enter(context.Background(), Request{Model: model, KeyID: key, Priority: priority, Cost: cost})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// isIn reports whether a ticket was let into service.
func isIn(t *Ticket) bool {
	select {
	case <-t.Ready():
		return true
	default:
		return false
	}
}

// stateOf returns the state of the model's line.
func stateOf(q *Queue) State {
	for _, s := range q.States(nil) {
		if s.Model == model {
			return s
		}
	}
	return State{Model: model, Capacity: Unknown}
}

func keyName(i int) string { return fmt.Sprintf("key-%d", i) }
