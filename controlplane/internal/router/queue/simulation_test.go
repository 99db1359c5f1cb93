package queue

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// visit is a request that a simulation sends.
type visit struct {
	at, takes time.Duration
	key       string
	ticket    *Ticket
	done      time.Duration
	waited    time.Duration
}

// simulate sends visits, in the order of their times, through so many places,
// and lets time pass from one event to the next.
func simulate(t *testing.T, places int, visits []*visit) {
	t.Helper()
	q, c := lab(Options{MaxWaiting: math.MaxInt, MaxWaitingPerKey: math.MaxInt}, places)
	start := c.now()
	var inside []*visit // in service or waiting
	for len(visits) > 0 || len(inside) > 0 {
		next := time.Duration(math.MaxInt64)
		if len(visits) > 0 {
			next = visits[0].at
		}
		var ends *visit
		for _, v := range inside {
			if isIn(v.ticket) && v.done <= next {
				next, ends = v.done, v
			}
		}
		c.at = start.Add(next)
		if ends != nil {
			inside = slices.DeleteFunc(inside, func(v *visit) bool { return v == ends })
			ends.waited, _ = ends.ticket.Waited()
			ends.ticket.Leave(ends.takes.Seconds())
		} else {
			v := visits[0]
			v.ticket, visits = enter(t, q, v.key, v.takes.Seconds()), visits[1:]
			inside = append(inside, v)
		}
		for _, v := range inside {
			if v.done == 0 && isIn(v.ticket) {
				v.done = next + v.takes
			}
		}
	}
}

// A burst of one key fills the line, and modest keys, which ask for half of what
// there is, wait no longer than for the requests that are being served and for
// one of the burst and of each other.
func TestABurstCostsOthersNoMoreThanItsShare(t *testing.T) {
	const places, modest, longest = 4, 5, 2 * time.Second
	rnd := rand.New(rand.NewPCG(7, 8))
	var visits []*visit
	for range 500 {
		visits = append(visits, &visit{key: "burst", takes: longest})
	}
	for at := time.Duration(0); at < 200*time.Second; at += 500 * time.Millisecond {
		takes := longest/4 + time.Duration(rnd.Int64N(int64(longest/4)))
		visits = append(visits, &visit{at: at, key: keyName(rnd.IntN(modest)), takes: takes})
	}
	slices.SortStableFunc(visits, func(a, b *visit) int { return int(a.at - b.at) })
	simulate(t, places, visits)
	var worst time.Duration
	for _, v := range visits {
		if v.key != "burst" {
			worst = max(worst, v.waited)
		}
	}
	// Until a place is free, and then one request of the burst and of each other
	// key in the places that there are.
	if bound := longest + (modest+1)*longest/places; worst > bound || worst == 0 {
		t.Errorf("a modest key waited for %v, want at most %v", worst, bound)
	}
}

// Whatever happens in whatever order, no place stays free while somebody waits,
// and within a key and a priority the order is kept.
func TestWhateverHappens(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		q, c := lab(Options{MaxWaiting: 40, MaxWaitingPerKey: 15}, 2)
		capacity := 2
		var inside []*Ticket // in the order of their coming
		for range 500 {
			c.pass(time.Millisecond)
			switch what := rnd.IntN(20); {
			case what == 0:
				capacity = rnd.IntN(6)
				q.SetCapacity(model, capacity)
			case what < 11:
				ticket, err := q.Enter(context.Background(), Request{
					Model: model, KeyID: keyName(rnd.IntN(5)), Priority: rnd.IntN(3), Cost: rnd.Float64() * 9,
				})
				if err == nil {
					inside = append(inside, ticket)
				}
			case len(inside) > 0:
				i := rnd.IntN(len(inside))
				inside[i].Leave(rnd.Float64() * 20)
				inside = slices.Delete(inside, i, i+1)
			}
			check(t, q, capacity, inside)
		}
		for _, ticket := range inside {
			ticket.Leave(1)
		}
		if got := stateOf(q); got.Serving != 0 || got.Waiting != 0 {
			t.Errorf("seed %d: %+v after all have left", seed, got)
		}
	}
}

func check(t *testing.T, q *Queue, capacity int, inside []*Ticket) {
	t.Helper()
	serving, passed := 0, map[*flow]bool{}
	for _, ticket := range inside {
		switch {
		case !isIn(ticket):
			passed[ticket.flow] = true
			if p := ticket.Position(); p < 1 || p > len(inside) {
				t.Fatalf("position %d with %d inside", p, len(inside))
			}
		case passed[ticket.flow]:
			t.Fatal("one was let in before another of its key that came earlier")
		default:
			serving++
		}
	}
	got := stateOf(q)
	if got.Serving != serving || got.Waiting != len(inside)-serving {
		t.Fatalf("%+v, but %d are in service of %d", got, serving, len(inside))
	}
	if got.Waiting > 0 && serving < capacity {
		t.Fatalf("%d wait though %d of %d places are free", got.Waiting, capacity-serving, capacity)
	}
}
