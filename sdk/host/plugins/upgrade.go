package plugins

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
)

// upgrade starts another program of a plugin beside the one that runs, has it show
// that it serves every instance that is served now, and has calls go to it. An error
// leaves all as it was.
func (u *unit) upgrade(ctx context.Context, old *generation, p *program) (*generation, error) {
	g, err := u.start(ctx, p)
	if err != nil {
		return nil, err
	}
	open, err := u.prove(ctx, old, g)
	if err == nil && old.gone() {
		err = fault.New(fault.Unavailable, "the program before it has ended meanwhile").On(fault.Plugin)
	}
	if err != nil {
		g.process.Stop()
		return nil, err
	}
	u.install(g, open)
	u.log.Info("plugin was upgraded", "from", old.program.Entry.Version, "to", p.Entry.Version, "instances", len(open))
	return g, nil
}

// prove opens the instances in a new process, and returns an error where one that is
// served by the old one is not served there.
func (u *unit) prove(ctx context.Context, old, g *generation) (map[*instance]backend, error) {
	u.mu.Lock()
	instances := slices.Clone(u.instances)
	served := map[*instance]bool{}
	for _, i := range instances {
		served[i] = i.generation == old && i.backend != nil && i.condition.State == Ready
	}
	u.mu.Unlock()
	var (
		mu    sync.Mutex
		open  = map[*instance]backend{}
		errs  []error
		group sync.WaitGroup
	)
	for _, i := range instances {
		group.Go(func() {
			b, err := i.try(ctx, g, served[i])
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				open[i] = b
			} else if served[i] {
				side := fault.SideOf(err)
				if side == fault.Ours { // we have not asked for anything unusual
					side = fault.Plugin
				}
				errs = append(errs, fault.Wrap(fault.KindOf(err), err, "%s: %s", i.setup.Name, fault.MessageOf(err)).On(side))
			}
		})
	}
	group.Wait()
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return open, nil
}

// try opens the instance in a new process, and sees whether it serves there.
func (i *instance) try(ctx context.Context, g *generation, served bool) (backend, error) {
	b, err := i.openIn(ctx, g)
	if err != nil || !served {
		return b, err
	}
	ctx, cancel := within(ctx, openTimeout)
	defer cancel()
	if err = i.kind.check(ctx, b); err == nil {
		err = i.kind.prove(ctx, b, i.setup.ReadOnly)
	}
	return b, i.unit.explain(ctx, g, err)
}

// reconsider has the process that runs be the one that is wanted.
func (u *unit) reconsider(ctx context.Context, g *generation) (next *generation, ended bool) {
	u.mu.Lock()
	wanted := u.wanted
	u.mu.Unlock()
	switch {
	case wanted == nil:
		u.uninstall()
		g.retire(ctx, u.config.times.drain)
		return nil, true
	case wanted.SHA256 == g.program.SHA256:
		return g, false
	}
	next, err := u.upgrade(ctx, g, wanted)
	if err != nil {
		u.log.Error("plugin could not be upgraded", "version", wanted.Entry.Version, "error", err)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.wanted, u.rejected = g.program, wanted.SHA256
		u.setLocked(Degraded, fault.SideOf(err), fmt.Sprintf("%s does not work in its place: %s", wanted.Entry, fault.MessageOf(err)))
		return g, false
	}
	retire := func(ctx context.Context) { g.retire(ctx, u.config.times.drain) }
	if !u.tasks.add(retire) {
		retire(ctx)
	}
	return next, false
}

// rollback has the unit run the program before.
func (u *unit) rollback() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.previous == nil || u.wanted == nil {
		return fault.New(fault.Conflict, "%s has run no other program that it could go back to", u.id).On(fault.Caller)
	}
	u.rejected, u.wanted = u.wanted.SHA256, u.previous
	u.wakeUp()
	return nil
}
