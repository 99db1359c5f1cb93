package fleet

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// HostState is whether a host can be used now.
type HostState string

// The states of a host.
const (
	HostOnline       HostState = "online"       // its agent is connected and nothing is wrong
	HostDegraded     HostState = "degraded"     // its agent is connected; Problems say what is wrong
	HostDisconnected HostState = "disconnected" // its agent's connection broke a moment ago
	HostAway         HostState = "away"         // nothing was heard of its agent for a while
	HostDead         HostState = "dead"         // it is away for so long that somebody should look
	HostAsleep       HostState = "asleep"       // its agent said that the host goes to sleep
	HostStopped      HostState = "stopped"      // its agent said goodbye
	HostPending      HostState = "pending"      // it joined, and waits for an operator's approval
)

// missing reports whether the host's agent is not connected and nobody knows why.
func (s HostState) missing() bool {
	return s == HostDisconnected || s == HostAway || s == HostDead
}

// said reports whether the host's agent is not connected and said why.
func (s HostState) said() bool { return s == HostAsleep || s == HostStopped }

// Reachable reports whether the host's agent is connected.
func (s HostState) Reachable() bool { return s == HostOnline || s == HostDegraded }

// Problem is something that is wrong, with a stable code and a sentence.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// HostView is a host with what is known of it now.
type HostView struct {
	Host
	State         HostState     `json:"state"`
	Problems      []Problem     `json:"problems"`
	ConnectedAt   time.Time     `json:"connected_at,omitzero"`
	LastFrameAt   time.Time     `json:"last_frame_at,omitzero"`
	ClockOffset   time.Duration `json:"-"`
	ClockOffsetMS int64         `json:"clock_offset_ms"` // the host's clock less ours
	Sample        *Sample       `json:"sample"`
	Rates         Rates         `json:"-"`                    // between the sample before and this one
	GPUReport     *GPUReport    `json:"gpu_report,omitempty"` // nil where its agent told of none
	Instances     []Instance    `json:"instances"`
}

// Shown returns the view with lists that are lists: a client should not have to
// tell an empty one from none. That nothing is known of a host that is away is
// what its state says.
func (v HostView) Shown() HostView {
	if v.Problems == nil {
		v.Problems = []Problem{}
	}
	if v.Instances == nil {
		v.Instances = []Instance{}
	}
	return v
}

// clockTolerance is how wrong a host's clock may be before that is a problem.
const clockTolerance = 5 * time.Second

// Registry is what is known of all hosts now. It is filled by the agents' link
// and read by everything else; its methods may be called concurrently. What is
// handed in must not be changed afterwards, and neither must the lists and maps
// in what it returns.
type Registry struct {
	mu        sync.RWMutex
	hosts     map[string]*entry
	holding   map[string]*holderList // by model name
	named     map[string]string      // by model id: its name
	preferred map[string]string      // by model name: the digest that it stands for where hosts disagree
	aliases   Aliases
	numbers   uint32        // of instances that were given one
	changed   chan struct{} // closed and replaced at each change that is not just numbers
	doubt     Doubt
}

type entry struct {
	absence  absence
	able     bool   // requests may be sent to its instances that serve; see settle
	name     string // the one that its holders know
	view     HostView
	epoch    uint64
	reported bool                // the instances were told of in the current session
	leaving  bool                // the agent said in the current session that it is about to end
	held     map[string]*holding // by model name, as last told of
	numbers  map[string]uint32   // of the instances that ever were here, by their names
	extra    map[string]Problem  // found by the link, by their code
	gpus     GPUMemory
}

// NewRegistry returns a registry with these hosts, none of them connected.
func NewRegistry(hosts []Host) *Registry {
	r := &Registry{
		hosts: map[string]*entry{}, holding: map[string]*holderList{}, named: map[string]string{},
		changed: make(chan struct{}),
	}
	for _, h := range hosts {
		r.hosts[h.ID] = newEntry(h)
	}
	return r
}

// newEntry returns what is known of a host that was not connected since we run.
func newEntry(h Host) *entry {
	e := &entry{view: HostView{Host: h, State: HostAway}}
	switch {
	case h.Pending:
		e.view.State = HostPending
	case h.Parted.said():
		e.view.State = h.Parted
	}
	return e
}

// Changed returns a channel that is closed at the next change of a host, an
// instance or a model. Samples don't count, unless a GPU's state differs.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.changed
}

func (r *Registry) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Put adds a host or replaces what is stored of it, not what is known of its
// sessions, which SeenAt and Parted belong to.
func (r *Registry) Put(h Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.hosts[h.ID]; e != nil {
		h.SeenAt, h.Parted = e.view.SeenAt, e.view.Parted
		e.view.Host = h
		if e.view.State == HostPending && !h.Pending {
			e.view.State = HostAway // until its agent comes, which asks every few seconds
		}
		e.settle()
	} else {
		r.hosts[h.ID] = newEntry(h)
	}
	r.notify()
}

// Prefer says which digests models stand for, by their canonical names, where hosts
// disagree, and which other names models have: it replaces what was said before. A digest
// that no host holds decides nothing.
func (r *Registry) Prefer(digests map[string]string, aliases Aliases) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.preferred, r.aliases = digests, aliases
}

// Aliases returns the other names of models. The map never changes, and must not be changed.
func (r *Registry) Aliases() Aliases {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.aliases
}

// Remove forgets a host.
func (r *Registry) Remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.hosts[id]; e != nil {
		r.hold(e, nil)
		delete(r.hosts, id)
		r.notify()
	}
}

// Connect begins a session of a host. Reports of sessions with a lower epoch
// are ignored from now on. It returns false, and nothing begins, when the host is
// unknown or has had a session with a higher epoch.
func (r *Registry) Connect(id string, epoch uint64, at time.Time, clockOffset time.Duration) bool {
	return r.update(id, epoch, func(e *entry) {
		e.epoch = epoch
		e.view.SeenAt, e.view.ConnectedAt, e.view.LastFrameAt = at, at, at
		e.view.setClockOffset(clockOffset)
		e.view.State, e.absence, e.view.Parted = HostOnline, absence{}, ""
		e.forgetReports()
	})
}

// SetClockOffset notes that a host's clock is off by another amount than before.
func (r *Registry) SetClockOffset(id string, epoch uint64, offset time.Duration) {
	r.update(id, epoch, func(e *entry) { e.view.setClockOffset(offset) })
}

func (v *HostView) setClockOffset(offset time.Duration) {
	v.ClockOffset, v.ClockOffsetMS = offset, offset.Milliseconds()
}

// forgetReports empties what a session told, but for what the host holds.
func (e *entry) forgetReports() {
	e.view.Sample, e.view.Rates, e.view.GPUReport = nil, Rates{}, nil
	e.view.Instances, e.reported = nil, false
	e.leaving = false
}

// Leave notes that a host's agent is about to end: the host gets no new requests,
// and those under way go on.
func (r *Registry) Leave(id string, epoch uint64) {
	r.update(id, epoch, func(e *entry) { e.leaving = true })
}

// Disconnect ends a session. state is what becomes of the host: its agent said that
// it ends or that the host goes to sleep, it fell silent, or its connection broke.
func (r *Registry) Disconnect(id string, epoch uint64, at time.Time, state HostState) {
	r.update(id, epoch, func(e *entry) {
		e.view.SeenAt = at
		e.view.State, e.absence = state, absence{}
		if state.said() {
			e.view.Parted = state
		}
		e.forgetReports()
	})
}

// Report replaces what is known of a host's instances.
func (r *Registry) Report(id string, epoch uint64, at time.Time, instances []Instance) {
	r.update(id, epoch, func(e *entry) {
		e.view.LastFrameAt = at
		e.view.Instances, e.reported = instances, true
		r.number(e, instances)
		r.hold(e, holdersOf(e, instances, at))
	})
}

// Observe replaces a host's last sample.
func (r *Registry) Observe(id string, epoch uint64, at time.Time, s *Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.hosts[id]
	if e == nil || epoch < e.epoch || !e.view.State.Reachable() {
		return
	}
	before := e.view.Sample
	e.view.LastFrameAt, e.view.Sample = at, s
	e.view.Rates = RatesBetween(before, s)
	e.gpus.observe(s.gpus())
	if !sameGPUHealth(before.gpus(), s.gpus()) {
		e.assess()
		r.notify()
	}
}

// SetProblem notes a problem that the link found with a host, or, with an empty
// message, that it has passed.
func (r *Registry) SetProblem(id string, p Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.hosts[id]
	if e == nil || e.extra[p.Code].Message == p.Message {
		return
	}
	if e.extra == nil {
		e.extra = map[string]Problem{}
	}
	if p.Message == "" {
		delete(e.extra, p.Code)
	} else {
		e.extra[p.Code] = p
	}
	e.assess()
	r.notify()
}

func (r *Registry) update(id string, epoch uint64, change func(*entry)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.hosts[id]
	if e == nil || epoch < e.epoch {
		return false
	}
	change(e)
	e.assess()
	e.settle()
	r.notify()
	return true
}

// assess finds the host's problems, and from them its state.
func (e *entry) assess() {
	v := &e.view
	v.Problems = slices.SortedFunc(maps.Values(e.extra), func(a, b Problem) int { return cmp.Compare(a.Code, b.Code) })
	if !v.State.Reachable() {
		return
	}
	if off := v.ClockOffset.Abs(); off > clockTolerance {
		v.Problems = append(v.Problems, Problem{
			"clock_offset",
			"the host's clock is off by " + v.ClockOffset.Round(time.Second).String(),
		})
	}
	if e.leaving {
		v.Problems = append(v.Problems, Problem{
			"leaving",
			"the host's agent was told to end; what is under way may end, and nothing new is sent there",
		})
	}
	for i := range v.Instances {
		if p, bad := v.Instances[i].problem(); bad {
			v.Problems = append(v.Problems, p)
		}
	}
	v.Problems = append(v.Problems, v.GPUReport.problems()...)
	gpus := v.Sample.gpus()
	for i := range gpus {
		if p, bad := gpus[i].problem(); bad {
			v.Problems = append(v.Problems, p)
		}
	}
	v.State = HostOnline
	if len(v.Problems) > 0 {
		v.State = HostDegraded
	}
}

// reasonSettingsPending is an instance's whose settings take effect at its next
// start. Nothing is wrong with it, and its message says so.
const reasonSettingsPending = "settings_pending"

func (i *Instance) problem() (Problem, bool) {
	switch i.State {
	case InstanceDegraded, InstanceFailed, InstanceStopped:
	default:
		return Problem{Code: i.Reason, Message: i.Message}, i.Reason != "" && i.Reason != reasonSettingsPending
	}
	message := i.Message
	if message == "" {
		message = "its Ollama is " + string(i.State)
	}
	return Problem{Code: cmp.Or(i.Reason, "ollama_"+string(i.State)), Message: message}, true
}

// Hosts returns every host, ordered by name. It copies all of them: it is for
// looking at the fleet, not for finding one host for a request.
func (r *Registry) Hosts() []HostView {
	r.mu.RLock()
	views := make([]HostView, 0, len(r.hosts))
	for _, e := range r.hosts {
		views = append(views, e.view)
	}
	r.mu.RUnlock()
	slices.SortFunc(views, func(a, b HostView) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return views
}

// Find returns the host with this id or, failing that, this name. There is none
// is fault.NotFound.
func (r *Registry) Find(idOrName string) (HostView, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.hosts[idOrName]; e != nil {
		return e.view, nil
	}
	for _, e := range r.hosts {
		if e.view.Name == idOrName {
			return e.view, nil
		}
	}
	return HostView{}, fault.New(fault.NotFound, "there is no host %q", idOrName)
}

// Has reports whether a host is one of the fleet's, by its id.
func (r *Registry) Has(id string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.hosts[id] != nil
}
