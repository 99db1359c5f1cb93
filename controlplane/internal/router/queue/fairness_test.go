package queue

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// load is keys that always have something waiting, in a queue of so many places.
type load struct {
	t       *testing.T
	q       *Queue
	rnd     *rand.Rand
	serving []*Ticket
	waiting map[*Ticket]int // the key
	had     []float64       // what each key was given
	cost    func(key int) (told, actual float64)
	level   func(key int) int
}

// add makes a key's next request wait.
func (l *load) add(key int) *Ticket {
	told, _ := l.cost(key)
	ticket := enterAt(l.t, l.q, keyName(key), l.level(key), told)
	l.waiting[ticket] = key
	return ticket
}

// step ends a random request, and returns the key of the one that was let in.
func (l *load) step() (key int) {
	i := l.rnd.IntN(len(l.serving))
	_, actual := l.cost(l.waiting[l.serving[i]])
	delete(l.waiting, l.serving[i])
	l.serving[i].Leave(actual)
	for ticket, key := range l.waiting {
		if isIn(ticket) && !slices.Contains(l.serving, ticket) {
			l.serving[i] = ticket
			_, actual := l.cost(key)
			l.had[key] += actual
			return key
		}
	}
	l.t.Fatal("a free place was given to nobody")
	return 0
}

// saturate fills the places with requests of another key, and the line with
// those of so many keys.
func saturate(t *testing.T, keys, places, depth int, l *load) *load {
	q, _ := lab(Options{MaxWaiting: math.MaxInt, MaxWaitingPerKey: math.MaxInt}, places)
	l.t, l.q, l.rnd, l.waiting, l.had = t, q, rand.New(rand.NewPCG(1, 2)), map[*Ticket]int{}, make([]float64, keys+1)
	if l.level == nil {
		l.level = func(int) int { return 0 }
	}
	for range places {
		ticket := enter(t, q, "outsider", 1)
		l.serving = append(l.serving, ticket)
		l.waiting[ticket] = keys
	}
	for key := range keys {
		for range depth {
			l.add(key)
		}
	}
	return l
}

// jain is Jain's index of how equal shares are: 1 is wholly.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// Keys that always want more get equal shares, and at no time is one further
// ahead of another than by one request of each.
func TestSharesAreEqualByCost(t *testing.T) {
	const keys = 8
	for _, places := range []int{1, 4, 32} {
		costs := []float64{1, 2, 3, 5, 8, 13, 21, 500}
		l := saturate(t, keys, places, 3, &load{cost: func(key int) (float64, float64) {
			if key == keys {
				return 1, 1
			}
			return costs[key], costs[key]
		}})
		for range 6_000 {
			if key := l.step(); key < keys {
				l.add(key)
			}
			for a := range keys {
				for b := range a {
					if lag := math.Abs(l.had[a] - l.had[b]); lag > costs[a]+costs[b] {
						t.Fatalf("%d places: keys %d and %d are %v apart", places, a, b, lag)
					}
				}
			}
		}
		if j := jain(l.had[:keys]); j < 0.99 {
			t.Errorf("%d places: index %.4f of %v", places, j, l.had[:keys])
		}
	}
}

// What counts in the end is what requests have cost, not what was told.
func TestSharesAreEqualByWhatWasSpent(t *testing.T) {
	const keys = 4
	l := saturate(t, keys, 4, 8, &load{cost: func(key int) (float64, float64) {
		return 10, []float64{1, 10, 40, 80, 10}[key]
	}})
	for range 10_000 {
		if key := l.step(); key < keys {
			l.add(key)
		}
	}
	if j := jain(l.had[:keys]); j < 0.99 {
		t.Errorf("index %.4f of %v", j, l.had[:keys])
	}
}

// A burst of one key does not push another key's requests back by more than one.
func TestABurstWaitsForItself(t *testing.T) {
	q, _ := lab(Options{}, 1)
	serving := enter(t, q, "burst", 1)
	burst := make([]*Ticket, 100)
	for i := range burst {
		burst[i] = enter(t, q, "burst", 1)
	}
	for range 20 {
		modest := enter(t, q, "modest", 1)
		if p := modest.Position(); p > 2 {
			t.Fatalf("position %d behind a burst", p)
		}
		for !isIn(modest) {
			serving.Leave(1)
			if serving = modest; !isIn(modest) {
				serving, burst = burst[0], burst[1:]
			}
			if !isIn(serving) {
				t.Fatal("the burst's next should be in")
			}
		}
	}
	if len(burst) < 80 {
		t.Errorf("the burst had more than every second turn: %d are left", len(burst))
	}
}

// What was served while nobody else wanted it is not held against a key.
func TestNoDebtForServiceThatNobodyWanted(t *testing.T) {
	q, _ := lab(Options{}, 1)
	for range 100 {
		enter(t, q, "diligent", 50).Leave(50)
	}
	serving := enter(t, q, "diligent", 50)
	var waiting []*Ticket
	for range 3 {
		diligent, newcomer := enter(t, q, "diligent", 50), enter(t, q, "newcomer", 50)
		waiting = append(waiting, newcomer, diligent)
	}
	for _, want := range waiting {
		serving.Leave(50)
		if serving = want; !isIn(want) {
			t.Fatal("they don't take turns")
		}
	}
}

// Ever new keys, each with one request, don't keep a key from its second.
func TestNewKeysDoNotStarveAnOldOne(t *testing.T) {
	q, _ := lab(Options{}, 1)
	serving := enter(t, q, "old", 1)
	second := enter(t, q, "old", 1)
	for i := range 8 {
		next := enter(t, q, keyName(i), 1)
		if serving.Leave(1); isIn(second) {
			return
		}
		if serving = next; !isIn(next) {
			t.Fatal("neither was let in")
		}
	}
	t.Errorf("position %d after 8 others", second.Position())
}

// Each priority gets four times the share of the one below it.
func TestPrioritiesAreShares(t *testing.T) {
	const keys = 3
	l := saturate(t, keys, 2, 2, &load{
		cost:  func(int) (float64, float64) { return 3, 3 },
		level: func(key int) int { return min(key, 2) - 1 },
	})
	for range 10_500 {
		if key := l.step(); key < keys {
			l.add(key)
		}
	}
	for key, part := range []float64{1. / 21, 4. / 21, 16. / 21} {
		if got := l.had[key] / 31_500; math.Abs(got-part) > 0.01 {
			t.Errorf("priority %d has %.3f of the service, want %.3f", key-1, got, part)
		}
	}
}

// The lowest priority is served however many keys of the highest come.
func TestTheLowestPriorityNeverStarves(t *testing.T) {
	q, _ := lab(Options{}, 1)
	serving := enterAt(t, q, keyName(0), fleet.MaxPriority, 1)
	low := enterAt(t, q, "low", fleet.MinPriority-7, 1)
	for i := range 300 {
		next := enterAt(t, q, keyName(i+1), fleet.MaxPriority+7, 1)
		serving.Leave(1)
		if isIn(low) {
			if i == 0 {
				t.Error("the highest priority should have come first")
			}
			return
		}
		if serving = next; !isIn(next) {
			t.Fatal("neither was let in")
		}
	}
	t.Error("after 300 others it still waits")
}

// What a key's requests cost nothing of, it can't take endlessly.
func TestWhatCostsNothingIsNotFree(t *testing.T) {
	q, _ := lab(Options{}, 1)
	serving := enter(t, q, "cheap", 1)
	other := enter(t, q, "other", 1)
	for range 100 {
		next := enter(t, q, "cheap", 1)
		if serving.Leave(0); isIn(other) {
			return
		}
		serving = next
	}
	t.Error("the other key never had its turn")
}

// Positions are the order in which those who wait are let in.
func TestPositionsAreExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		q, _ := lab(Options{}, 1)
		serving := enter(t, q, "z", 1)
		var waiting []*Ticket
		for range 1 + rnd.IntN(40) {
			waiting = append(waiting, enter(t, q, keyName(rnd.IntN(6)), float64(1+rnd.IntN(5))))
		}
		for i := range waiting {
			if rnd.IntN(5) == 0 {
				waiting[i].Leave(0)
			}
		}
		waiting = slices.DeleteFunc(waiting, func(t *Ticket) bool { return t.Position() == 0 })
		slices.SortFunc(waiting, func(a, b *Ticket) int { return cmp.Compare(a.Position(), b.Position()) })
		for i, w := range waiting {
			if serving.Leave(-1); !isIn(w) {
				t.Fatalf("%d of %d was not let in by its turn", i+1, len(waiting))
			}
			serving = w
		}
	}
}

// Across priorities a position is a guess, but never out of the line.
func TestPositionsAcrossPriorities(t *testing.T) {
	q, _ := lab(Options{}, 1)
	enter(t, q, "z", 1)
	low := enterAt(t, q, "a", -1, 1)
	for range 8 {
		enterAt(t, q, "b", 0, 1)
	}
	high := enterAt(t, q, "c", 1, 1)
	if got := high.Position(); got != 1 {
		t.Errorf("the highest is at %d", got)
	}
	last := enterAt(t, q, "d", -1, 1)
	for _, ticket := range []*Ticket{low, last} {
		if got := ticket.Position(); got < 2 || got > 11 {
			t.Errorf("position %d of 11", got)
		}
	}
}

func TestAnyCostIsTaken(t *testing.T) {
	q, _ := lab(Options{}, 1)
	for _, cost := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64} {
		a, b := enter(t, q, "a", cost), enter(t, q, "b", cost)
		a.Leave(cost)
		if !isIn(b) {
			t.Errorf("%v: the next was not let in", cost)
		}
		b.Leave(cost)
	}
	for _, f := range q.lines[model].level(0).flows {
		if math.IsNaN(f.tag) || f.tag > 100*maxCost {
			t.Errorf("an account stands at %v", f.tag)
		}
	}
}
