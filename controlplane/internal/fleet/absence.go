package fleet

import "time"

const (
	// awayAfter is how long a connection that broke may take to be back before its
	// host counts as away: an agent that is restarted is back sooner.
	awayAfter = 10 * time.Second
	// together is within how long the hosts of one event are lost: a connection that
	// breaks is noticed at once, silence some seconds later.
	together = 10 * time.Second
	// doubtedHosts at least, and one of doubtedShare, are too many to be lost at once.
	doubtedHosts, doubtedShare = 3, 5
)

// absence is for how long a host is missing, as [Registry.Pass] counted it.
type absence struct {
	long    time.Duration
	suspect bool // it was lost together with too many others
}

// Doubt is that so many hosts were lost at once that the cause is rather the
// control plane, or the network before it, than each of them.
type Doubt struct {
	Missing int // of those that were lost together; 0 is no doubt
	Of      int // with those that are connected
}

// Doubt returns whether the control plane doubts itself.
func (r *Registry) Doubt() Doubt {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.doubt
}

// Pass lets time pass for the hosts that are missing: one whose connection broke
// is away after ten seconds, and one that is away is dead after deadAfter, or never
// where that is 0. Hosts that were lost together, a fifth of the fleet and three at
// least, take twice as long. Those that are dead from now on are returned.
//
// Time is what the caller counts, and not what a clock says: a control plane that
// stood still for an hour has not missed its hosts for one.
func (r *Registry) Pass(d, deadAfter time.Duration) (died []Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	connected, recent := 0, 0
	for _, e := range r.hosts {
		switch {
		case e.view.State.Reachable():
			connected++
		case e.view.State.missing():
			if e.absence.long < together {
				recent++
			}
		}
	}
	atOnce := tooMany(recent, connected)
	changed, suspects := false, 0
	for _, e := range r.hosts {
		if !e.view.State.missing() {
			continue
		}
		e.absence.suspect = e.absence.suspect || atOnce && e.absence.long < together
		e.absence.long += d
		before := e.view.State
		e.view.State = e.absence.state(before, deadAfter)
		changed = changed || e.view.State != before
		switch {
		case e.view.State != HostDead:
			if e.absence.suspect {
				suspects++
			}
		case before != HostDead:
			died = append(died, e.view.Host)
		}
	}
	doubt := Doubt{}
	if tooMany(suspects, connected) {
		doubt = Doubt{Missing: suspects, Of: connected + suspects}
	}
	if changed || doubt != r.doubt {
		r.doubt = doubt
		r.notify()
	}
	return died
}

// tooMany reports whether so many lost hosts, beside those that are connected, are
// not to be explained by what happens to one host.
func tooMany(lost, connected int) bool {
	return lost >= doubtedHosts && doubtedShare*lost >= lost+connected
}

// state returns what a missing host is by now.
func (a absence) state(now HostState, deadAfter time.Duration) HostState {
	if a.suspect {
		deadAfter *= 2
	}
	switch {
	case deadAfter > 0 && a.long >= deadAfter:
		return HostDead
	case now == HostDisconnected && a.long < awayAfter:
		return HostDisconnected
	}
	return HostAway
}
