package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// TicketTTL is how long a ticket waits to be redeemed.
	TicketTTL = 30 * time.Second
	// maxTickets bounds what callers who never redeem can make us keep.
	maxTickets = 10_000

	ticketPrefix = "crw_"
)

// Tickets are one-time secrets that stand for whoever asked for one, for
// clients that can put nothing but a URL on a WebSocket. They live in memory
// alone. T is what the holder is known by. Its methods may be called
// concurrently.
type Tickets[T any] struct {
	now func() time.Time

	mu     sync.Mutex // guards what follows
	open   map[hash]ticket[T]
	issued []issue // oldest first, redeemed ones too
}

type ticket[T any] struct {
	holder  T
	expires time.Time
}

type issue struct {
	ticket  hash
	expires time.Time
}

// NewTickets returns an empty set of tickets.
func NewTickets[T any](now func() time.Time) *Tickets[T] {
	return &Tickets[T]{now: now, open: map[hash]ticket[T]{}}
}

// Issue returns a new ticket for the holder. Too many at a time is
// fault.RateLimited.
func (t *Tickets[T]) Issue(holder T) (Secret, error) {
	secret := newSecret(ticketPrefix)
	sum := hash(sha256.Sum256([]byte(secret.text)))
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.expire(now)
	if len(t.issued) >= maxTickets {
		return Secret{}, fault.New(fault.RateLimited, "too many tickets are waiting to be used; try again in %v", TicketTTL)
	}
	expires := now.Add(TicketTTL)
	t.open[sum] = ticket[T]{holder: holder, expires: expires}
	t.issued = append(t.issued, issue{ticket: sum, expires: expires})
	return secret, nil
}

// Redeem returns the holder of a ticket and ends the ticket. One that is
// unknown, expired or was redeemed before is not ok.
func (t *Tickets[T]) Redeem(secret string) (holder T, ok bool) {
	sum := hash(sha256.Sum256([]byte(secret)))
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.open[sum]
	delete(t.open, sum)
	if !ok || !t.now().Before(found.expires) {
		var nobody T
		return nobody, false
	}
	return found.holder, true
}

// expire forgets what has waited too long. The caller holds mu.
func (t *Tickets[T]) expire(now time.Time) {
	n := 0
	for n < len(t.issued) && !now.Before(t.issued[n].expires) {
		delete(t.open, t.issued[n].ticket)
		n++
	}
	kept := copy(t.issued, t.issued[n:])
	t.issued = t.issued[:kept]
}
