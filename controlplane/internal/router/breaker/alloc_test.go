package breaker

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// troubled returns a breaker with an open circuit on another host, so that
// nothing is as short as it is while all is well.
func troubled(t testing.TB) *Breaker {
	t.Helper()
	b, err := New(Defaults(), time.Now, rand.Float64)
	if err != nil {
		t.Fatal(err)
	}
	for range Defaults().Run {
		pass, _ := b.Enter(host("elsewhere"), "m")
		b.Failed(pass, BrokenOff, "it did not work")
	}
	if b.Allow(host("elsewhere"), "m") != Open {
		t.Fatal("nothing has opened")
	}
	return b
}

// TestClosedDoesNotAllocate looks at a request that succeeds where nothing has
// failed, while nothing has failed anywhere and while something has.
func TestClosedDoesNotAllocate(t *testing.T) {
	healthy, _ := newBreaker(t, Defaults())
	for name, b := range map[string]*Breaker{"healthy": healthy, "troubled": troubled(t)} {
		at := host("a")
		allocs := testing.AllocsPerRun(1000, func() {
			if b.Allow(at, "m") != Closed {
				t.Fatal("it is not closed")
			}
			pass, _ := b.Enter(at, "m")
			b.Began(pass)
			b.Succeeded(pass)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// TestConcurrentUse sends requests from several goroutines and wants one probe.
func TestConcurrentUse(t *testing.T) {
	limits := Defaults()
	limits.Pause, limits.MaxPause = time.Nanosecond, time.Nanosecond
	b, err := New(limits, time.Now, rand.Float64)
	if err != nil {
		t.Fatal(err)
	}
	var probes atomic.Int64
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				pass, ok := b.Enter(host("a"), "m")
				if !ok {
					continue
				}
				if pass.Probe() && probes.Add(1) > 1 {
					t.Error("two probes are under way")
				}
				if pass.Probe() {
					probes.Add(-1) // before it ends, and lets another one begin
				}
				switch (g + i) % 4 {
				case 0:
					b.Succeeded(pass)
				case 1:
					b.Abandoned(pass)
				default:
					b.Failed(pass, ServerError, "it did not work")
				}
				b.Allow(host("a"), "m")
				if i%100 == 0 {
					b.Snapshot()
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkAllow(b *testing.B) {
	healthy, _ := newBreaker(b, Defaults())
	for name, breaker := range map[string]*Breaker{"healthy": healthy, "troubled": troubled(b)} {
		for _, hosts := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/hosts=%d", name, hosts), func(b *testing.B) {
				targets := make([]fleet.Target, hosts)
				for i := range targets {
					targets[i] = host(fmt.Sprintf("host-%d", i))
				}
				b.ReportAllocs()
				for b.Loop() {
					for _, at := range targets {
						if !breaker.Allow(at, "m").Passes() {
							b.Fatal("it is not closed")
						}
					}
				}
			})
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	healthy, _ := newBreaker(b, Defaults())
	for name, breaker := range map[string]*Breaker{"healthy": healthy, "troubled": troubled(b)} {
		b.Run(name, func(b *testing.B) {
			at := host("a")
			b.ReportAllocs()
			for b.Loop() {
				pass, _ := breaker.Enter(at, "m")
				breaker.Began(pass)
				breaker.Succeeded(pass)
			}
		})
	}
}
