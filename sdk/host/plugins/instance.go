package plugins

import (
	"context"
	"errors"
	"fmt"
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

// instance is something of a plugin that outlives its processes, whatever the plugin's
// kind is: an [Instance] or a [LoaderInstance].
type instance struct {
	unit      *unit
	kind      kind
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

// open returns a new instance with so many transfers at a time. There need not be such
// a plugin yet.
func (m *Manager) open(s Setup, k kind, transfers int) *instance {
	s.Config.Secrets = maps.Clone(s.Config.Secrets)
	u := m.unit(s.Plugin)
	i := &instance{
		unit: u, kind: k, setup: s, transfers: make(chan struct{}, transfers), closing: make(chan struct{}),
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
func (i *instance) Name() string { return i.setup.Name }

// Status returns how the instance is.
func (i *instance) Status() InstanceStatus {
	i.unit.mu.Lock()
	c, at := i.condition, i.checkedAt
	if plugin := i.unit.condition; i.generation == nil || i.unit.current == nil {
		c = Condition{State: plugin.State, Reason: plugin.Reason, Side: plugin.Side, Since: plugin.Since}
		if plugin.State == Ready { // and the instance is not open yet
			c.State = Starting
			if i.condition.Since.After(c.Since) { // the plugin runs for longer than there is the instance
				c.Since = i.condition.Since
			}
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
func (i *instance) Opened(ctx context.Context) error {
	g, _, err := i.enter(ctx)
	if err != nil {
		return err
	}
	g.leave()
	return nil
}

// Close ends the instance. Calls that are under way may end until ctx does.
func (i *instance) Close(ctx context.Context) error {
	u := i.unit
	u.mu.Lock()
	if i.closed {
		u.mu.Unlock()
		return nil
	}
	i.closed = true
	close(i.closing)
	u.instances = slices.DeleteFunc(u.instances, func(one *instance) bool { return one == i })
	b := i.backend
	u.tellLocked()
	u.mu.Unlock()
	defer u.redactor.remove(i.setup.Config.Secrets)
	for range cap(i.transfers) {
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
func (i *instance) attend(ctx context.Context) {
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
func (i *instance) attendOnce(ctx context.Context, due bool) (changed <-chan struct{}) {
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
func (i *instance) open(ctx context.Context, g *generation) {
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
func (i *instance) opened(g *generation, b backend, err error) bool {
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

func (i *instance) openIn(ctx context.Context, g *generation) (backend, error) {
	ctx, cancel := within(ctx, openTimeout)
	defer cancel()
	g.enter()
	defer g.leave()
	b, err := i.kind.open(ctx, g.process, i.setup.Config)
	return b, i.unit.explain(ctx, g, err)
}

// openedLocked notes that the instance is open in a process.
func (i *instance) openedLocked(g *generation, b backend) {
	i.generation, i.backend, i.openErr = g, b, nil
	if b, ok := b.(storage.Backend); ok {
		i.can, i.address = storage.CapabilitiesOf(b), ""
		if a, ok := storage.As[storage.Addresser](b); ok {
			i.address = a.Address()
		}
	}
	i.breaker.reset()
	i.setLocked(Ready, nil)
	i.unit.tellLocked()
}

// setLocked notes how the instance is.
func (i *instance) setLocked(s State, err error) {
	i.checkedAt = time.Now()
	c := Condition{State: s, Since: i.checkedAt}
	if err != nil {
		c.Reason, c.Side = fault.MessageOf(err), fault.SideOf(err)
	}
	if i.condition.State == c.State && i.condition.Reason == c.Reason {
		return
	}
	switch log := i.unit.log.With(i.setup.Plugin.Kind, i.setup.Name); {
	case err != nil:
		log.Warn("instance does not serve as it should", "state", s, "error", err, "side", c.Side)
	case i.condition.State != Starting:
		log.Info("instance serves again")
	}
	i.condition = c
	i.unit.tellLocked()
}

// look asks the instance for its health. One that is well again after it was not is
// let through to at once.
func (i *instance) look(ctx context.Context, g *generation, b backend) {
	ctx, cancel := within(ctx, i.unit.config.times.healthLimit)
	defer cancel()
	g.enter()
	defer g.leave()
	err := i.unit.explain(ctx, g, i.kind.check(ctx, b))
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
func (i *instance) enter(ctx context.Context) (*generation, backend, error) {
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

// call makes a call of the instance, and makes it again where the process ends under
// it and that may be done.
func (i *instance) call(ctx context.Context, name string, limit time.Duration, again bool, do func(context.Context, backend) error) error {
	ctx, cancel := within(ctx, limit)
	defer cancel()
	var err error
	for range 1 + maxAgain {
		last := err
		if err = i.once(ctx, name, do); !again || !errors.Is(err, errEnded) {
			return after(last, err)
		}
	}
	return err
}

// after returns the error of a call that was made again: where the process hasn't come
// back, it has ended under the call all the same.
func after(last, err error) error {
	if last == nil || err == nil || fault.SideOf(err) != fault.Plugin || fault.KindOf(err) != fault.Unavailable {
		return err
	}
	return fmt.Errorf("%w%w", err, hidden{last})
}

func (i *instance) once(ctx context.Context, name string, do func(context.Context, backend) error) error {
	g, b, err := i.enter(ctx)
	if err != nil {
		return err
	}
	defer g.leave()
	return i.unit.observe(ctx, g, i, name, func() error { return do(ctx, b) })
}

// transfer waits for a place for a transfer.
func (i *instance) transfer(ctx context.Context) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	timer := time.NewTimer(i.unit.config.times.idle)
	defer timer.Stop()
	select {
	case i.transfers <- struct{}{}:
		return func() { <-i.transfers }, nil
	case <-i.closing:
		return nil, i.gone()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C:
		return nil, fault.New(fault.Unavailable, "the %s %s has %d transfers under way, as many as it may",
			i.setup.Plugin.Kind, i.setup.Name, cap(i.transfers)).After(time.Second)
	}
}

// gone is the error of a call after the instance's end.
func (i *instance) gone() error {
	return fault.New(fault.NotFound, "there is no %s %s any more", i.setup.Plugin.Kind, i.setup.Name).On(fault.Caller)
}
