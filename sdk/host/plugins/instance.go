package plugins

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Setup is what an instance is opened with.
type Setup struct {
	Plugin ID
	Name   string // what people call it
	Config host.Configuration
	// ReadOnly has nothing be written to it unasked: the trial of a new version of the
	// plugin leaves that out.
	ReadOnly bool
}

// Instance is a storage that outlives the processes of its plugin. It can be used
// from the beginning: a call waits for the process, is made again where that can do
// no harm when the process ends under it, and fails with fault.Unavailable on the
// plugin's side where that was not enough.
//
// What it can do, its capabilities and its address, is what the plugin said when it
// was opened last; nothing before that. [Instance.Opened] waits for it.
type Instance struct {
	unit      *unit
	setup     Setup
	breaker   breaker
	transfers chan struct{} // a place for each
	closing   chan struct{} // closed when it is to end

	// Guarded by unit.mu.
	generation *generation // that it was last opened in, or should have been
	backend    backend     // nil where that failed
	openErr    error
	can        storage.Capabilities
	address    string
	condition  Condition
	checkedAt  time.Time
	closed     bool
}

// MaxTransfers is how many objects an instance reads and writes at a time. Further
// ones wait.
const MaxTransfers = 8

// Storage returns a new instance. There need not be such a plugin yet.
func (m *Manager) Storage(s Setup) *Instance {
	s.Config.Secrets = maps.Clone(s.Config.Secrets)
	u := m.unit(s.Plugin)
	i := &Instance{
		unit: u, setup: s, transfers: make(chan struct{}, MaxTransfers), closing: make(chan struct{}),
		condition: Condition{State: Starting, Since: time.Now()},
	}
	u.redactor.add(s.Config.Secrets)
	u.mu.Lock()
	u.instances = append(u.instances, i)
	u.mu.Unlock()
	m.tasks.add(i.attend)
	return i
}

// Name returns what people call the instance.
func (i *Instance) Name() string { return i.setup.Name }

// Status returns how the instance is.
func (i *Instance) Status() InstanceStatus {
	i.unit.mu.Lock()
	c, at := i.condition, i.checkedAt
	if plugin := i.unit.condition; i.generation == nil || i.unit.current == nil {
		c = Condition{State: plugin.State, Reason: plugin.Reason, Side: plugin.Side, Since: plugin.Since}
		if plugin.State == Ready { // and the instance is not open yet
			c.State = Starting
		}
	}
	i.unit.mu.Unlock()
	s := InstanceStatus{
		Plugin: i.setup.Plugin, Name: i.setup.Name, State: c.State, Reason: i.unit.redactor.text(c.Reason), Side: c.Side, Since: c.Since,
		CheckedAt: at, Breaker: i.breaker.now(), Transfers: len(i.transfers),
	}
	if s.State == Ready && s.Breaker != Closed {
		s.State, s.Side, s.Reason = Degraded, fault.Service, "most calls of it fail, so that it is asked little for now"
	}
	return s
}

// Opened waits until the instance has been opened once in the process that runs, and
// returns nil, or what is wrong with it.
func (i *Instance) Opened(ctx context.Context) error {
	g, _, err := i.enter(ctx)
	if err != nil {
		return err
	}
	g.leave()
	return nil
}

// Close ends the instance. Calls that are under way may end until ctx does.
func (i *Instance) Close(ctx context.Context) error {
	u := i.unit
	u.mu.Lock()
	if i.closed {
		u.mu.Unlock()
		return nil
	}
	i.closed = true
	close(i.closing)
	u.instances = slices.DeleteFunc(u.instances, func(one *Instance) bool { return one == i })
	b := i.backend
	u.tellLocked()
	u.mu.Unlock()
	defer u.redactor.remove(i.setup.Config.Secrets)
	for range MaxTransfers {
		select {
		case i.transfers <- struct{}{}:
			continue
		case <-ctx.Done():
		}
		break
	}
	if b == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return b.CloseInstance(ctx)
}

// attend has the instance be open in the process that runs, and looks at its health,
// until it is closed.
func (i *Instance) attend(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-i.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	ticker := time.NewTicker(i.unit.config.times.health)
	defer ticker.Stop()
	due := false
	for {
		changed := i.attendOnce(ctx, due)
		select {
		case <-ctx.Done():
			return
		case <-changed:
			due = false
		case <-ticker.C:
			due = true
		}
	}
}

// attendOnce opens the instance where a process is a new one, and looks at it where
// that is due. What it returns is closed when there is something new.
func (i *Instance) attendOnce(ctx context.Context, due bool) (changed <-chan struct{}) {
	u := i.unit
	u.mu.Lock()
	g, b, changed := u.current, i.backend, u.changed
	fresh := i.generation != g
	u.mu.Unlock()
	switch {
	case g == nil:
	case fresh, due && b == nil:
		i.open(ctx, g)
	case due:
		i.look(ctx, g, b)
	}
	return changed
}

// open opens the instance in a process.
func (i *Instance) open(ctx context.Context, g *generation) {
	b, err := i.openIn(ctx, g)
	if err != nil && ctx.Err() != nil {
		return
	}
	if !i.opened(g, b, err) && err == nil {
		_ = b.CloseInstance(ctx) // nobody uses it; it ends with its process at last
	}
}

// opened notes how opening the instance in a process went, and reports false where
// that is of no use any more.
func (i *Instance) opened(g *generation, b backend, err error) bool {
	i.unit.mu.Lock()
	defer i.unit.mu.Unlock()
	if i.unit.current != g || i.closed {
		return false
	}
	if err == nil {
		i.openedLocked(g, b)
		return true
	}
	i.generation, i.backend, i.openErr = g, nil, err
	state := Failed
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.RateLimited:
		state = Degraded
	}
	i.setLocked(state, err)
	return true
}

func (i *Instance) openIn(ctx context.Context, g *generation) (backend, error) {
	ctx, cancel := within(ctx, openTimeout)
	defer cancel()
	g.enter()
	defer g.leave()
	b, err := g.process.Open(ctx, i.setup.Config)
	return b, i.unit.explain(ctx, g, err)
}

// openedLocked notes that the instance is open in a process.
func (i *Instance) openedLocked(g *generation, b backend) {
	i.generation, i.backend, i.openErr = g, b, nil
	i.can, i.address = storage.CapabilitiesOf(b), ""
	if a, ok := storage.As[storage.Addresser](b); ok {
		i.address = a.Address()
	}
	i.breaker.reset()
	i.setLocked(Ready, nil)
	i.unit.tellLocked()
}

// setLocked notes how the instance is.
func (i *Instance) setLocked(s State, err error) {
	i.checkedAt = time.Now()
	c := Condition{State: s, Since: i.checkedAt}
	if err != nil {
		c.Reason, c.Side = fault.MessageOf(err), fault.SideOf(err)
	}
	if i.condition.State == c.State && i.condition.Reason == c.Reason {
		return
	}
	switch log := i.unit.log.With("storage", i.setup.Name); {
	case err != nil:
		log.Warn("storage does not serve as it should", "state", s, "error", err, "side", c.Side)
	case i.condition.State != Starting:
		log.Info("storage serves again")
	}
	i.condition = c
	i.unit.tellLocked()
}

// look asks the instance for its health. One that is well again after it was not is
// let through to at once.
func (i *Instance) look(ctx context.Context, g *generation, b backend) {
	ctx, cancel := within(ctx, i.unit.config.times.healthLimit)
	defer cancel()
	g.enter()
	defer g.leave()
	err := i.unit.explain(ctx, g, storage.CheckBackend(ctx, b))
	if fault.KindOf(err) == fault.Canceled || g.gone() {
		return
	}
	i.unit.mu.Lock()
	defer i.unit.mu.Unlock()
	if i.generation != g {
		return
	}
	if err != nil {
		i.setLocked(Degraded, err)
		return
	}
	if i.condition.State == Degraded {
		i.breaker.reset()
	}
	i.setLocked(Ready, nil)
}

// enter waits until the instance is open in the process that runs, and adds a call
// to that, which has to leave it.
func (i *Instance) enter(ctx context.Context) (*generation, backend, error) {
	u := i.unit
	for {
		u.mu.Lock()
		g, changed, condition := u.current, u.changed, u.condition
		switch {
		case i.closed:
			u.mu.Unlock()
			return nil, nil, i.gone()
		case g != nil && !g.gone() && i.generation == g && i.backend != nil:
			b := i.backend
			g.enter()
			u.mu.Unlock()
			return g, b, nil
		case g != nil && !g.gone() && i.generation == g:
			err := i.openErr
			u.mu.Unlock()
			return nil, nil, err
		}
		u.mu.Unlock()
		if err := u.wait(ctx, condition, changed); err != nil {
			return nil, nil, err
		}
	}
}

// gone is the error of a call after the instance's end.
func (i *Instance) gone() error {
	return fault.New(fault.NotFound, "there is no storage %s any more", i.setup.Name).On(fault.Caller)
}
