package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Thousands come, are served, leave and time out, while the capacity changes.
// Never are more in service than there are places, and nobody is forgotten.
func TestManyComeAndGo(t *testing.T) {
	const callers, mostPlaces = 4000, 8
	q := New(Options{MaxWaiting: 500, MaxWaitingPerKey: 200, Now: time.Now})
	q.SetCapacity(model, mostPlaces)
	var inService, served, late, refused atomic.Int64
	var all, capacity sync.WaitGroup
	over := make(chan struct{})
	capacity.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				q.SetCapacity(model, mostPlaces)
				return
			default:
				q.SetCapacity(model, 1+i%mostPlaces)
			}
		}
	})
	for i := range callers {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(5, uint64(i)))
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(40))*time.Millisecond)
			defer cancel()
			ticket, err := q.Enter(ctx, Request{Model: model, KeyID: keyName(i % 16), Priority: i%3 - 1, Cost: float64(rnd.IntN(9))})
			switch kind := fault.KindOf(err); {
			case kind == fault.Unavailable || kind == fault.RateLimited:
				refused.Add(1)
				return
			case errors.Is(err, context.DeadlineExceeded):
				late.Add(1)
				return
			case err != nil:
				t.Errorf("enter: %v", err)
				return
			}
			defer ticket.Leave(rnd.Float64())
			select {
			case <-ctx.Done():
				late.Add(1)
			case <-ticket.Ready():
				if n := inService.Add(1); n > mostPlaces {
					t.Errorf("%d are in service at once", n)
				}
				ticket.Position()
				served.Add(1)
				inService.Add(-1)
			}
		})
	}
	all.Wait()
	close(over)
	capacity.Wait()
	if got := served.Load() + late.Load() + refused.Load(); got != callers || served.Load() == 0 {
		t.Errorf("of %d, %d were served, %d late, %d refused", callers, served.Load(), late.Load(), refused.Load())
	}
	if got := stateOf(q); got.Serving != 0 || got.Waiting != 0 {
		t.Errorf("%+v after all have left", got)
	}
	l := q.lines[model]
	for i := range l.levels {
		if v := &l.levels[i]; v.active != 0 || v.waiting != 0 || len(v.queue) != 0 {
			t.Errorf("level %d is not empty: %d active, %d waiting, %d queued", i, v.active, v.waiting, len(v.queue))
		}
	}
	last := enter(t, q, "after all", 1)
	if !isIn(last) {
		t.Error("no place is left")
	}
}

// A request that need not wait costs one allocation, its ticket.
func TestAllocations(t *testing.T) {
	q, _ := lab(Options{}, 4)
	if n := testing.AllocsPerRun(1000, func() { enter(t, q, "a", 10).Leave(12) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	for _, unknown := range []string{"b", "c"} {
		if n := testing.AllocsPerRun(1000, func() {
			ticket, err := q.Enter(context.Background(), Request{Model: unknown, KeyID: "a"})
			if err != nil {
				t.Fatal(err)
			}
			ticket.Leave(-1)
		}); n > 1 {
			t.Errorf("%v allocations where the capacity is unknown", n)
		}
	}
}

// BenchmarkUncontended is what the queue adds to a request that need not wait.
func BenchmarkUncontended(b *testing.B) {
	for name, now := range map[string]func() time.Time{"clock=real": time.Now, "clock=still": newClock().now} {
		b.Run(name, func(b *testing.B) {
			q := New(Options{Now: now})
			q.SetCapacity(model, 4)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				ticket, err := q.Enter(ctx, Request{Model: model, KeyID: "a", Cost: 10})
				if err != nil {
					b.Fatal(err)
				}
				ticket.Leave(12)
			}
		})
	}
}

// BenchmarkHandingOn is what it costs to wait and be let in, by how many wait.
func BenchmarkHandingOn(b *testing.B) {
	for _, keys := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			q := New(Options{MaxWaiting: 1 << 20, Now: time.Now})
			q.SetCapacity(model, 1)
			waiting := make([]*Ticket, 0, keys+1)
			for i := range keys + 1 {
				waiting = append(waiting, enter(b, q, keyName(i), 1))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i = (i + 1) % len(waiting) {
				waiting[i].Leave(1)
				waiting[i] = enter(b, q, keyName(i), 1)
			}
		})
	}
}

// BenchmarkPosition asks for the last place of a line that is nearly full.
func BenchmarkPosition(b *testing.B) {
	q := New(Options{Now: time.Now})
	q.SetCapacity(model, 1)
	var last *Ticket
	for i := range DefaultMaxWaiting * 9 / 10 { // the rest is for keys that may come
		last = enter(b, q, keyName(i%16), 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		if last.Position() == 0 {
			b.Fatal("not in the line")
		}
	}
}
