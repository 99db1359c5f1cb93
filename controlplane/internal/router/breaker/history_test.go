package breaker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// history plays a random history and checks, after each step, what has to hold
// in all of them. It keeps a record of its own, by other means than a breaker.
type history struct {
	t      *testing.T
	limits Thresholds
	clock  *clock
	b      *Breaker

	live     []*sent
	probes   map[circuitKey]*sent // the last of each circuit that is open
	failures map[circuitKey]int   // since it was last seen to close, as if every one counted
	was      map[circuitKey]State // closed ones are left out
}

// sent is a request under way.
type sent struct {
	pass  Pass
	at    time.Time
	began bool
	ended bool
}

// circuitKey names a circuit; an empty model is the instance's own.
type circuitKey struct{ host, model string }

// play plays a history of one step for each byte.
func play(t *testing.T, steps []byte) {
	limits := Defaults()
	limits.Run, limits.Among = 3, 6
	h := &history{
		t: t, limits: limits,
		probes: map[circuitKey]*sent{}, failures: map[circuitKey]int{}, was: map[circuitKey]State{},
	}
	h.b, h.clock = newBreaker(t, limits)
	for _, step := range steps {
		h.step(step)
		h.check()
	}
	h.end()
}

// step does one thing, which the byte's lower bits choose and its upper ones vary.
func (h *history) step(step byte) {
	which := int(step / 4)
	switch step % 4 {
	case 0, 1:
		h.enter([]string{"a", "b"}[which%2], []string{"m", "n"}[which/2%2])
	case 2:
		h.clock.advance(time.Duration(which*which) * 50 * time.Millisecond)
	case 3:
		if len(h.live) > 0 {
			h.finish(which%len(h.live), which%9)
		}
	}
}

// enter wants to be told the truth by Allow, and never a second probe.
func (h *history) enter(hostID, model string) {
	allowed := h.b.Allow(host(hostID), model)
	pass, ok := h.b.Enter(host(hostID), model)
	if ok != allowed.Passes() || pass.Probe() != (allowed == Due) {
		h.t.Fatalf("%v: it passes %v, as a probe %v", allowed, ok, pass.Probe())
	}
	if !ok {
		return
	}
	s := &sent{pass: pass, at: h.clock.at}
	h.live = append(h.live, s)
	for k, probe := range map[circuitKey]uint64{{hostID, ""}: pass.wholeProbe, {hostID, model}: pass.modelProbe} {
		if probe == 0 {
			continue
		}
		if other := h.probes[k]; other != nil && !other.ended && h.clock.at.Sub(other.at) < h.limits.ProbeLimit {
			h.t.Fatalf("%v is probed a second time", k)
		}
		h.probes[k] = s
	}
}

// finish lets an answer begin, or end in one of the ways that there are.
func (h *history) finish(i, how int) {
	s := h.live[i]
	switch kind := Kind(how); {
	case how == 0:
		h.b.Succeeded(s.pass)
	case how == 7:
		h.b.Abandoned(s.pass)
	case how == 8 && !s.began:
		s.began = true
		h.b.Began(s.pass)
		return
	case how == 8:
		h.b.Succeeded(s.pass)
	default:
		h.b.Failed(s.pass, kind, "it failed")
		if kind.ofInstance() {
			h.failures[circuitKey{s.pass.at.hostID, ""}]++
		}
		if kind.ofModel() {
			h.failures[circuitKey{s.pass.at.hostID, s.pass.model}]++
		}
	}
	s.ended = true
	h.live = append(h.live[:i], h.live[i+1:]...)
}

// check wants no circuit to have opened without a cause, and the counters to be
// those of what there is.
func (h *history) check() {
	now := map[circuitKey]State{}
	for _, c := range h.b.Snapshot() {
		if c.State != Closed {
			now[circuitKey{c.HostID, c.Model}] = c.State
		}
	}
	for k := range now {
		_, before := h.was[k]
		if least := int(h.limits.Share * float64(h.limits.Among)); !before && h.failures[k] < min(h.limits.Run, least) {
			h.t.Fatalf("%v opened after %d failures", k, h.failures[k])
		}
	}
	for k := range h.was {
		if _, still := now[k]; !still {
			delete(h.failures, k)
			delete(h.probes, k)
		}
	}
	h.was = now
	open := map[string]int{}
	for k := range now {
		open[k.host]++
	}
	if diff := cmp.Diff(open, *h.b.open.Load()); diff != "" {
		h.t.Fatalf("open circuits (-there are +counted):\n%s", diff)
	}
}

// end wants whatever is open to be probed and to close, though nobody tells of
// the requests that are still under way.
func (h *history) end() {
	h.clock.advance(h.limits.MaxPause + h.limits.ProbeLimit)
	for _, hostID := range []string{"a", "b"} {
		for _, model := range []string{"m", "n"} {
			pass, ok := h.b.Enter(host(hostID), model)
			if !ok {
				h.t.Fatalf("%s at %s is %v for ever", model, hostID, h.b.Allow(host(hostID), model))
			}
			h.b.Succeeded(pass)
			if state := h.b.Allow(host(hostID), model); state != Closed {
				h.t.Fatalf("%s at %s is %v after its probe succeeded", model, hostID, state)
			}
		}
	}
	h.clock.advance(2 * h.limits.Window)
	if left := h.b.Snapshot(); len(left) > 0 || h.b.known.Load() != 0 {
		h.t.Fatalf("left over are %+v", left)
	}
}

func TestHistories(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		steps := make([]byte, 400)
		for i := range steps {
			steps[i] = byte(random.Uint32())
		}
		play(t, steps)
	}
}

func FuzzHistories(f *testing.F) {
	f.Add([]byte{0, 4, 3, 7, 0, 7, 0, 7, 0, 7, 250, 0, 0, 3})
	f.Add([]byte{0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 254, 254, 254, 0, 35, 3, 0, 7})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) < 5000 {
			play(t, steps)
		}
	})
}
