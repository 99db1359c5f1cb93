// Package monitor keeps corral-gpuprobe running and knows what it last said.
//
// The probe calls the driver's library, which may abort, crash or never return,
// and is therefore a process of its own: one that fails is killed and started
// anew, and the agent goes on. What a card tells is as old as the probe's last
// frame; while there is none, its row stays and says that nothing is known.
package monitor

import (
	"cmp"
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// MaxRelease is the longest that GPUs can be let go of at a time.
const MaxRelease = 24 * time.Hour

// The sources of readings that are of interest here. The others are the probe's.
const (
	Auto = "auto" // what the host has
	None = "none"
)

// Options say what is read, and by which program.
type Options struct {
	Source  string        // as corral-gpuprobe takes it
	Probe   string        // path of corral-gpuprobe
	Every   time.Duration // between two readings
	Environ []string      // of the agent; the probe gets what it may see of it
	Log     hclog.Logger

	Root string // in place of /, for what is looked for to know whether there is a GPU; default /
	Pace Pace
}

// Pace has the times of a [Monitor]. What is 0 has its default.
type Pace struct {
	First   time.Duration // from the start to the first frame; default 10 s
	Grace   time.Duration // between two frames, beside Options.Every; default 5 s
	Kill    time.Duration // from SIGKILL until the probe counts as stuck; default 2 s
	Again   time.Duration // before the first restart, doubled with each that fails; default 1 s
	Longest time.Duration // between two starts; default 1 min
	Steady  time.Duration // that a probe works for the next failure to count as the first; default 1 min
	Look    time.Duration // between two looks whether a GPU has come; default 1 min
}

func (p Pace) withDefaults() Pace {
	return Pace{
		First: cmp.Or(p.First, 10*time.Second), Grace: cmp.Or(p.Grace, 5*time.Second), Kill: cmp.Or(p.Kill, 2*time.Second),
		Again: cmp.Or(p.Again, time.Second), Longest: cmp.Or(p.Longest, time.Minute),
		Steady: cmp.Or(p.Steady, time.Minute), Look: cmp.Or(p.Look, time.Minute),
	}
}

// Monitor knows a host's GPUs. Its methods may be called concurrently, also
// before and after Run.
type Monitor struct {
	Options
	changed chan struct{}
	seed    maphash.Seed
	poked   chan struct{} // something that Run waits on may be over
	spare   gpu.Reading   // of Run: the memory of the next reading

	mu       sync.Mutex
	state    condition
	reading  gpu.Reading // the last one, where state.state is of it
	taken    time.Time   // when it came; zero while there is none
	rows     []wire.GPU  // of samples: the cards, as they are or with nothing known of them
	cards    []card      // that were ever told of
	mark     uint64      // of what the report says, but for numbers
	events   []wire.GPUEvent
	logged   gpu.Value[uint64] // the record of the kernel log up to which events are known
	stuck    int               // probes that were killed and are not gone
	released time.Time         // until when no probe runs; zero is not at all
	running  *attended         // the probe that runs; nil is none
}

// attended is a probe that runs, for who wants it to end.
type attended struct {
	end  context.CancelFunc
	over chan struct{} // closed when it has ended, or was given up
}

// condition is how the GPUs are read.
type condition struct {
	state    string // a word of package wire
	sentence string
}

// New returns a monitor that knows nothing until Run.
func New(o Options) *Monitor {
	o.Pace = o.Pace.withDefaults()
	if o.Root == "" {
		o.Root = "/"
	}
	return &Monitor{Options: o, seed: maphash.MakeSeed(), changed: make(chan struct{}, 1), poked: make(chan struct{}, 1)}
}

// Changed returns the channel on which a value arrives after the report has
// changed in more than its numbers, one for any number of changes. It is for one
// receiver.
func (m *Monitor) Changed() <-chan struct{} { return m.changed }

// Run reads GPUs until ctx ends, and returns nil then. Of all that it starts,
// only probes that the kernel does not let go of outlive it, two at most.
func (m *Monitor) Run(ctx context.Context) error {
	if m.Source == None {
		m.become(wire.GPUsOff, "GPUs are not looked for: the agent's setting gpu.source is none.")
		<-ctx.Done()
		return nil
	}
	wait := backoff{least: m.Pace.Again, most: m.Pace.Longest}
	for ctx.Err() == nil {
		switch until := m.releasedUntil(); {
		case !until.IsZero():
			m.become(wire.GPUsReleased, released(until))
			m.rest(ctx, time.Until(until))
		case m.Source == Auto && !present(m.Root):
			m.forget()
			m.become(wire.GPUsNone, "")
			m.rest(ctx, m.Pace.Look)
		case m.stuckProbes() >= maxStuck:
			m.become(wire.GPUsUnresponsive, unresponsive)
			m.rest(ctx, m.Pace.Longest)
		default:
			if worked := m.attend(ctx); worked >= m.Pace.Steady {
				wait.reset()
			}
			if m.releasedUntil().IsZero() {
				m.rest(ctx, wait.next())
			}
		}
	}
	return nil
}

// rest waits, or less where somebody asks for something.
func (m *Monitor) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-m.poked:
	}
}

// become notes how the GPUs are read while no reading says it.
func (m *Monitor) become(state, sentence string) {
	m.mu.Lock()
	m.enter(condition{state, sentence})
	m.taken = time.Time{}
	m.unknown()
	m.mu.Unlock()
	m.signal()
}

// enter changes the state, and logs it where it is another one.
func (m *Monitor) enter(now condition) {
	if now == m.state {
		return
	}
	before := m.state.state
	m.state = now
	switch now.state {
	case wire.GPUsOK, wire.GPUsNone, wire.GPUsOff, wire.GPUsStarting, wire.GPUsReleased:
		m.Log.Info("reading of gpus", "state", now.state, "before", before, "message", now.sentence)
	default:
		m.Log.Warn("reading of gpus", "state", now.state, "before", before, "message", now.sentence)
	}
}

// signal tells of a change of the report, if there is one.
func (m *Monitor) signal() {
	m.mu.Lock()
	mark := m.fingerprint()
	same := mark == m.mark
	m.mark = mark
	m.mu.Unlock()
	if same {
		return
	}
	select {
	case m.changed <- struct{}{}:
	default: // whoever listens has one to come
	}
}

func (m *Monitor) poke() {
	select {
	case m.poked <- struct{}{}:
	default: // Run is about to look
	}
}

// Release ends the probe, which lets go of the driver, and keeps it from being
// started again for a while. It returns when the probe is gone, and until when that
// holds. A time that is not between a second and [MaxRelease] is fault.Invalid; of
// an agent that reads no GPUs it is fault.Conflict, and fault.Unavailable where a
// probe hangs in the driver: none is started then either, but the driver is held.
func (m *Monitor) Release(d time.Duration) (time.Time, error) {
	if d < time.Second || d > MaxRelease {
		return time.Time{}, fault.New(fault.Invalid, "GPUs can be let go of for 1 second at least and %v at most, not for %v", MaxRelease, d)
	}
	if m.Source == None {
		return time.Time{}, fault.New(fault.Conflict, "this agent holds no GPU: its setting gpu.source is none").On(fault.Host)
	}
	until := time.Now().Add(d)
	m.mu.Lock()
	m.released = until
	running := m.running
	m.mu.Unlock()
	if running != nil {
		running.end()
		<-running.over
	}
	m.become(wire.GPUsReleased, released(until))
	m.poke()
	if n := m.stuckProbes(); n > 0 {
		return until, fault.New(fault.Unavailable, "no GPU probe is started until %s, but the driver is held: %d of them hang in it and can't be killed", until.UTC().Format(time.RFC3339), n).On(fault.Host)
	}
	return until, nil
}

// Acquire ends a release early, and has a probe that failed started now. That
// GPUs are read already is no error.
func (m *Monitor) Acquire() {
	m.mu.Lock()
	m.released = time.Time{}
	m.mu.Unlock()
	m.poke()
}

// releasedUntil returns until when no probe may run, zero where one may.
func (m *Monitor) releasedUntil() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.released.After(time.Now()) {
		m.released = time.Time{}
	}
	return m.released
}
