package plugins

import (
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
)

// State says whether something can be used. The names are those of the API.
type State string

// The states.
const (
	Disabled State = "disabled" // it is not to run, or may not
	Starting State = "starting"
	Ready    State = "ready"
	Degraded State = "degraded" // it serves, but not as it should
	Failed   State = "failed"   // it can't serve; it is tried again
)

// Condition is a state with what there is to say of it.
type Condition struct {
	State  State
	Reason string     // a sentence; "" where all is well
	Side   fault.Side // whose fault it is, where there is a reason
	Since  time.Time
}

// Status is how a plugin is.
type Status struct {
	ID     ID     // zero for a file that is not known to be a plugin
	File   string // its program
	SHA256 string
	State  State
	Reason string // a sentence; "" where all is well
	Side   fault.Side
	Since  time.Time
	Trust  string // what an operator types to trust it, where it is not

	Version   string
	Publisher string
	Previous  string // the version that a rollback returns to; "" is none

	PID       int // 0 while there is no process
	StartedAt time.Time
	Restarts  int        // since Run
	LastExit  *host.Exit // of the last process that ended by itself
	// Unconfined is what could not be done to confine the process, a sentence each.
	Unconfined []string

	Metrics   Metrics
	Instances []InstanceStatus
}

// InstanceStatus is how an instance is.
type InstanceStatus struct {
	Plugin    ID
	Name      string
	State     State
	Reason    string
	Side      fault.Side
	Since     time.Time
	CheckedAt time.Time // when its health was last known; zero is never
	Breaker   Breaker
	Transfers int // under way
}

// status returns how the plugin is.
func (u *unit) status() Status {
	u.mu.Lock()
	s := Status{
		ID: u.id, State: u.condition.State, Reason: u.redactor.text(u.condition.Reason), Side: u.condition.Side, Since: u.condition.Since,
		Restarts: max(0, u.starts-1), LastExit: u.lastExit,
	}
	shown := u.wanted
	if u.current != nil {
		shown = u.current.program
	}
	if shown == nil {
		shown = u.newest
	}
	if shown != nil {
		s.File, s.SHA256, s.Version, s.Publisher = shown.Path, shown.SHA256, shown.Entry.Version, shown.Entry.Publisher
	}
	if u.previous != nil {
		s.Previous = u.previous.Entry.Version
	}
	g, instances := u.current, slices.Clone(u.instances)
	u.mu.Unlock()
	s.Metrics = u.meter.read()
	s.Metrics.Breaker = u.breaker.now()
	if s.State == Ready && s.Metrics.Breaker != Closed {
		s.State, s.Side = Degraded, fault.Plugin
		s.Reason = "most calls of it fail, so that it is asked little for now"
	}
	if g != nil && !g.gone() {
		s.PID, s.StartedAt, s.Unconfined = g.process.PID(), g.startedAt, g.process.Unconfined()
		if usage, err := g.process.Usage(); err == nil {
			s.Metrics.RSSBytes, s.Metrics.CPUTime = usage.RSSBytes, usage.CPUTime
		}
	}
	for _, i := range instances {
		s.Instances = append(s.Instances, i.Status())
	}
	return s
}
