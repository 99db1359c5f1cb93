package auth_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/sdk/fault"
)

// clock is a clock that the test sets.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_800_000_000, c.offset.Load()) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }
func issue(t *testing.T, tickets *auth.Tickets[string], holder string) string {
	t.Helper()
	secret, err := tickets.Issue(holder)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func TestATicketIsRedeemedOnce(t *testing.T) {
	tickets := auth.NewTickets[string](new(clock).now)
	first, second := issue(t, tickets, "first"), issue(t, tickets, "second")
	f := func(secret, want string, wantOK bool) {
		t.Helper()
		if holder, ok := tickets.Redeem(secret); holder != want || ok != wantOK {
			t.Errorf("redeemed as %q, %v, want %q, %v", holder, ok, want, wantOK)
		}
	}
	f("", "", false)
	f("crw_nothing", "", false)
	f(second, "second", true)
	f(second, "", false)
	f(first, "first", true)
}

func TestATicketExpires(t *testing.T) {
	var time clock
	tickets := auth.NewTickets[string](time.now)
	inTime, late := issue(t, tickets, "in time"), issue(t, tickets, "late")
	time.advance(auth.TicketTTL - 1)
	if _, ok := tickets.Redeem(inTime); !ok {
		t.Error("a ticket ended before its time")
	}
	time.advance(1)
	if _, ok := tickets.Redeem(late); ok {
		t.Error("a ticket was good after its time")
	}
}

func TestOneTicketLetsOneIn(t *testing.T) {
	tickets := auth.NewTickets[string](time.Now)
	secret := issue(t, tickets, "one")
	var (
		callers sync.WaitGroup
		let     atomic.Int32
	)
	for range 20 {
		callers.Go(func() {
			if _, ok := tickets.Redeem(secret); ok {
				let.Add(1)
			}
		})
	}
	callers.Wait()
	if let.Load() != 1 {
		t.Errorf("%d were let in", let.Load())
	}
}

func TestTicketsThatNobodyRedeemsAreBounded(t *testing.T) {
	var time clock
	tickets := auth.NewTickets[string](time.now)
	issued := 0
	for ; issued < 100_000; issued++ {
		if _, err := tickets.Issue("greedy"); err != nil {
			if fault.KindOf(err) != fault.RateLimited {
				t.Fatal(err)
			}
			break
		}
	}
	if issued == 100_000 {
		t.Fatal("there is no bound")
	}
	time.advance(auth.TicketTTL)
	issue(t, tickets, "later")
}
