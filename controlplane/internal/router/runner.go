package router

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// seat is an instance, whatever its host is called just now.
type seat struct {
	hostID   string
	inFlight int       // requests that are there because of us
	ended    time.Time // the last of ours
	others   int       // requests of others, as far as the agent's count shows them
	toldAt   time.Time // when the agent told the count that others is from
	turn     uint64    // of its last pick, so that equals take turns
	run      fleet.Run
}

// listen takes up what the agent last told. A count from before a request of
// ours ended would take that one for somebody else's.
func (s *seat) listen(h *fleet.Holder) int {
	if s == nil {
		return h.InFlight
	}
	if !h.ToldAt.Equal(s.toldAt) {
		s.toldAt = h.ToldAt
		if !s.ended.After(h.ToldAt) {
			s.others = max(h.InFlight-s.inFlight, 0)
		}
	}
	return s.others
}

// runner is a model on an instance, in its memory or not.
type runner struct {
	speeds
	inFlight int // requests for this model that are there because of us
	loads    int // requests that wait for the model to be loaded
	options  runnerOptions
	known    bool      // the options are those of the latest request that we sent there
	usedAt   time.Time // when it last was seen in memory by an answer
	goneAt   time.Time // when it was last asked to leave memory

	loadUntil time.Time // when the load that they wait for should be done
	work      backlog
	cache     cache
}

// reportLag is how old what an agent tells of an instance's memory may be.
const reportLag = 5 * time.Second

// isLoaded reports whether the model is in memory, by the agent's report or by
// what has happened since.
func (r *runner) isLoaded(h *fleet.Holder) bool {
	if r == nil || h.Loaded && r.goneAt.IsZero() {
		return h.Loaded
	}
	switch fresh := h.ToldAt.Add(-reportLag); {
	case r.goneAt.After(fresh) && !r.usedAt.After(r.goneAt):
		return false
	case r.usedAt.After(fresh):
		return true
	}
	return h.Loaded
}

// reloads reports whether a request would have a loaded runner, or one that is
// being loaded, loaded anew.
func (r *runner) reloads(a *ask, h *fleet.Holder) bool {
	if r == nil || !r.known {
		return mayNeedReload(&a.options, h.ContextLength)
	}
	return needsReload(&r.options, &a.options, h.ContextLength)
}

// backlog is what a runner has yet to do for the requests that it was given, in
// seconds of one request alone.
type backlog struct {
	left  float64 // at the time of at
	total float64 // of all requests that are under way, as it was expected
	at    time.Time
}

// floor is the share of a request that is taken for undone however long it has
// been under way.
const floor = 0.1

// settle takes off what was done since the last time, in so many places at once.
func (b *backlog) settle(now time.Time, places int) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left = max(b.left-passed*float64(places), floor*b.total)
	}
	b.at = now
}

func (b *backlog) begin(seconds float64) {
	b.left += seconds
	b.total += seconds
}

// end takes off a request that has ended, as early or late as it may be.
func (b *backlog) end(seconds float64, last bool) {
	b.total = max(b.total-seconds, 0)
	if last {
		b.total = 0
	}
	b.left = min(b.left, b.total)
}
