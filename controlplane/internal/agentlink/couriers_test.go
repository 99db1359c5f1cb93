package agentlink

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestCouriersDoEverythingOnce(t *testing.T) {
	var c couriers
	var mu sync.Mutex
	done := map[int]int{}
	var handing sync.WaitGroup
	for from := range 4 {
		handing.Go(func() {
			for n := range 1000 {
				c.hand(func() {
					mu.Lock()
					defer mu.Unlock()
					done[1000*from+n]++
				})
			}
		})
	}
	handing.Wait()
	c.running.Wait()
	for n := range 4000 {
		if done[n] != 1 {
			t.Fatalf("errand %d was done %d times", n, done[n])
		}
	}
}

// What waits takes little more memory than there ever was of it at once, however long
// there is always something.
func TestWhatWasDoneTakesNoMemory(t *testing.T) {
	c := couriers{working: usual} // nobody comes
	for range 10 {
		c.hand(func() {})
	}
	for range 100_000 {
		c.hand(func() {})
		if c.take() == nil {
			t.Fatal("nothing waits")
		}
	}
	if room := cap(c.waiting); room > 100 {
		t.Errorf("there is room for %d", room)
	}
	for left := range 11 {
		if last := c.take() == nil; last != (left == 10) {
			t.Errorf("after %d of ten: nothing waits, %v", left, last)
		}
	}
}

// Agents that don't read hold up those who send to them, and nobody else.
func TestWhoWaitsForAnAgentHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c couriers
		read := make(chan struct{})
		const stuck = 50
		for range stuck {
			c.hand(func() { <-read })
		}
		done := false
		c.hand(func() { done = true })
		minded := 0
		for ; !done; minded++ {
			time.Sleep(stuckAfter)
			synctest.Wait()
			c.mind(time.Now())
			synctest.Wait()
		}
		if minded > 4 {
			t.Errorf("it took %d looks", minded)
		}
		close(read)
		c.running.Wait()
		if c.working != 0 || len(c.waiting) != 0 {
			t.Errorf("%d work, %d wait", c.working, len(c.waiting))
		}
		time.Sleep(stuckAfter)
		c.mind(time.Now()) // and nobody is called for nothing
		if c.working != 0 {
			t.Errorf("%d work for nothing", c.working)
		}
	})
}

func TestEverySessionHasItsTurnInEachInterval(t *testing.T) {
	var m metronome
	sessions := make([]*session, 3*beatSlots)
	for i := range sessions {
		sessions[i] = newSession("h", "r", 1, clocks{})
		m.add(sessions[i])
		if due := m.step(nil); len(due) != (i+1)/beatSlots {
			t.Fatalf("at moment %d %d are due", i, len(due)) // none before its interval is over
		}
	}
	m.remove(sessions[0])
	turns := map[*session]int{}
	for range 2 * beatSlots {
		for _, s := range m.step(nil) {
			turns[s]++
		}
	}
	for i, s := range sessions {
		if want := min(2*i, 2); turns[s] != want {
			t.Errorf("session %d had %d turns in two intervals, want %d", i, turns[s], want)
		}
	}
}

// An agent that asks and asks and never reads is one that nobody has to bear.
func TestAnAgentThatAsksMoreThanItReadsIsCutOff(t *testing.T) {
	l := &Link{}
	l.couriers.working = 1 // nobody sends
	s := newSession("h", "r", 1, clocks{})
	for n := range maxOwed + 1 {
		if err := l.answer(s, &wire.Pong{}); (err != nil) != (n == maxOwed) {
			t.Fatalf("question %d: %v", n, err)
		}
	}
}
