package edge

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/corral-fleet/corral/sdk/fault"
)

// rates count what each caller asks for. A caller who was quiet for a minute may
// ask for a whole minute's worth at once.
type rates struct {
	mu      sync.Mutex
	callers map[string]*rate.Limiter
	sweepAt int // as many callers as this are looked through for ones that can go
}

// fewCallers may lie around unused.
const fewCallers = 256

// take counts a request of a caller, of which there may be so many a minute. One
// too many is fault.RateLimited, with the time after which the next may come.
func (r *rates) take(caller string, perMinute int, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.callers[caller]
	every := rate.Limit(float64(perMinute) / time.Minute.Seconds())
	switch {
	case l == nil:
		r.sweep(now)
		l = rate.NewLimiter(every, perMinute)
		r.callers[caller] = l
	case l.Burst() != perMinute: // the setting was changed
		l.SetLimitAt(now, every)
		l.SetBurstAt(now, perMinute)
	}
	taken := l.ReserveN(now, 1)
	wait := taken.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	taken.CancelAt(now)
	return fault.New(fault.RateLimited, "that is more than the %d requests a minute that are allowed", perMinute).On(fault.Caller).After(wait)
}

// sweep forgets those who owe nothing: they may as well begin anew.
func (r *rates) sweep(now time.Time) {
	if r.callers == nil {
		r.callers = map[string]*rate.Limiter{}
	}
	if len(r.callers) < max(r.sweepAt, fewCallers) {
		return
	}
	for caller, l := range r.callers {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(r.callers, caller)
		}
	}
	r.sweepAt = 2 * len(r.callers)
}
