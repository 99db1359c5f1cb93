package router

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// seat is an instance, whatever its host is called just now.
type seat struct {
	report   *fleet.Report // the latest that was taken up; nil in one that was never picked
	toldAt   instant       // when it was told
	ended    instant       // the last request of ours
	turn     uint64        // of its last pick, so that equals take turns
	inFlight int           // requests that are there because of us
	others   int           // requests of others, as far as the agent's count shows them
}

// listen takes up what the agent last told. A count from before a request of
// ours ended would take that one for somebody else's.
func (s *seat) listen(h *fleet.Holder, toldAt instant) {
	s.report = h.Report
	if toldAt == s.toldAt { // the host was renamed
		return
	}
	s.toldAt = toldAt
	if s.ended <= toldAt {
		s.others = max(int(h.InFlight)-s.inFlight, 0)
	}
}

// runningOf returns how many requests of others are at an instance.
func (s *seat) runningOf(h *fleet.Holder) int {
	if s == nil {
		return int(h.InFlight)
	}
	return s.others
}

// runner is a model on an instance, in its memory or not.
type runner struct {
	speeds
	inFlight int  // requests for this model that are there because of us
	loads    int  // requests that wait for the model to be loaded
	used     bool // whether it is anything but memory for one
	known    bool // the options are those of the latest request that we sent there
	options  runnerOptions
	usedAt   instant // when it last was seen in memory by an answer
	goneAt   instant // when it was last asked to leave memory

	loadUntil instant // when the load that they wait for should be done
	work      backlog
	cache     cache
}

// reportLag is how old what an agent tells of an instance's memory may be.
const reportLag = instant(5 * time.Second)

// isLoaded reports whether the model is in memory, by the agent's report or by
// what has happened since.
func (r *runner) isLoaded(h *fleet.Holder, s *seat) bool {
	if r == nil || h.Loaded && r.goneAt == never {
		return h.Loaded
	}
	switch fresh := s.toldAt - reportLag; {
	case r.goneAt > fresh && r.usedAt <= r.goneAt:
		return false
	case r.usedAt > fresh:
		return true
	}
	return h.Loaded
}

// reloads reports whether a request would have a loaded runner, or one that is
// being loaded, loaded anew.
func (r *runner) reloads(a *ask, h *fleet.Holder) bool {
	if r == nil || !r.known {
		return mayNeedReload(&a.options, int(h.ContextLength))
	}
	return needsReload(&r.options, &a.options, int(h.ContextLength))
}

// backlog is what a runner has yet to do for the requests that it was given, in
// seconds of one request alone.
type backlog struct {
	left  float64 // at the time of at
	total float64 // of all requests that are under way, as it was expected
	at    instant
}

// floor is the share of a request that is taken for undone however long it has
// been under way.
const floor = 0.1

// settle takes off what was done since the last time, in so many places at once.
func (b *backlog) settle(now instant, places int) {
	if passed := now - b.at; passed > 0 {
		b.left = max(b.left-passed.seconds()*float64(places), floor*b.total)
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
