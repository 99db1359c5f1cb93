package ollama

import (
	"maps"
	"slices"
	"time"
)

// RestartPolicy bounds how often an instance is restarted.
type RestartPolicy struct {
	MinDelay    time.Duration // before the first restart in a row; default 500 ms
	MaxDelay    time.Duration // to which the delay doubles; default 60 s
	StableAfter time.Duration // up for so long, an instance begins at MinDelay again; default 60 s

	LoopExits  int           // so many ends by itself …
	LoopWindow time.Duration // … within this time are a crash loop; default 5 in 5 min
	LoopDelay  time.Duration // between tries in a crash loop; default 60 s

	// PerHour is how many restarts each cause may lead to in an hour. Causes
	// that are not named keep their default: 60 for those in which the process
	// is gone anyway, 6 for [CauseUnresponsive] and [CauseStalled], none for
	// [CauseRequested], which is not counted.
	PerHour map[Cause]int

	// RecurWindow is the time within which a second stall restarts the whole
	// Ollama, after the first cost only its runners; default 10 min.
	RecurWindow time.Duration
}

func (p RestartPolicy) withDefaults() RestartPolicy {
	orDefault(&p.MinDelay, 500*time.Millisecond)
	orDefault(&p.MaxDelay, time.Minute)
	orDefault(&p.StableAfter, time.Minute)
	orDefault(&p.LoopExits, 5)
	orDefault(&p.LoopWindow, 5*time.Minute)
	orDefault(&p.LoopDelay, time.Minute)
	orDefault(&p.RecurWindow, 10*time.Minute)
	perHour := map[Cause]int{
		CauseExited: 60, CauseKilled: 60, CauseKeeperLost: 60, CauseStartTimeout: 60,
		CauseUnresponsive: 6, CauseStalled: 6,
	}
	maps.Copy(perHour, p.PerHour)
	p.PerHour = perHour
	return p
}

// governor decides when to restart. It belongs to one goroutine.
type governor struct {
	policy RestartPolicy
	jitter func() float64 // in [0, 1)

	inARow int
	ends   []time.Time // by itself, within the loop window
	spent  map[Cause][]time.Time
}

func newGovernor(policy RestartPolicy, jitter func() float64) *governor {
	return &governor{policy: policy, jitter: jitter, spent: map[Cause][]time.Time{}}
}

// spend takes one restart from a cause's budget. It returns zero, or how long
// it takes until the budget has one again, and then takes nothing.
func (g *governor) spend(cause Cause, now time.Time) (wait time.Duration) {
	budget, limited := g.policy.PerHour[cause]
	if !limited {
		return 0
	}
	spent := slices.DeleteFunc(g.spent[cause], func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	g.spent[cause] = spent
	switch {
	case budget <= 0:
		return time.Hour
	case len(spent) >= budget:
		return spent[len(spent)-budget].Add(time.Hour).Sub(now)
	}
	g.spent[cause] = append(spent, now)
	return 0
}

// delay returns how long to wait before the next start, given how long the last
// life was. A life that ended by itself may make it a crash loop.
func (g *governor) delay(cause Cause, uptime time.Duration, now time.Time) (d time.Duration, loop bool) {
	if cause == CauseRequested {
		g.inARow, g.ends = 0, nil
		return 0, false
	}
	if uptime >= g.policy.StableAfter {
		g.inARow = 0
	}
	if cause != CauseUnresponsive && cause != CauseStalled {
		g.ends = slices.DeleteFunc(g.ends, func(t time.Time) bool { return now.Sub(t) >= g.policy.LoopWindow })
		g.ends = append(g.ends, now)
		if len(g.ends) >= g.policy.LoopExits {
			return g.jittered(g.policy.LoopDelay), true
		}
	}
	d = g.policy.MinDelay
	for range g.inARow {
		if d = 2 * d; d >= g.policy.MaxDelay {
			d = g.policy.MaxDelay
			break
		}
	}
	g.inARow++
	return g.jittered(d), false
}

// jittered takes up to half of the delay away, so that hosts which fell over
// together do not come back together.
func (g *governor) jittered(d time.Duration) time.Duration {
	return d - time.Duration(g.jitter()*float64(d)/2)
}
