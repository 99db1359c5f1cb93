package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/plugin"
)

// unit supervises one plugin.
type unit struct {
	config   Config
	id       ID
	tasks    *tasks
	log      hclog.Logger
	redactor *redactor
	meter    *meter
	breaker  breaker
	calls    chan struct{} // a place for each call
	wake     chan struct{} // what is wanted has changed

	mu        sync.Mutex
	newest    *program // that is trusted; nil is none
	wanted    *program // that is to run; nil is none
	rejected  string   // digest of the newest, where it is not to run
	ran       *program // that is or was run last
	previous  *program // that was run before that; nil is none
	current   *generation
	condition Condition
	changed   chan struct{} // closed at the next change
	instances []*instance
	restarts  restarts
	starts    int
	lastExit  *host.Exit
	killed    bool // by somebody else, which was the last end
}

// maxCalls is how many calls a process has at a time.
const maxCalls = 64

func newUnit(c Config, id ID, t *tasks) *unit {
	return &unit{
		config: c, id: id, tasks: t, log: c.Log.Named("plugin." + id.Kind + "." + id.Name), redactor: newRedactor(), meter: newMeter(),
		calls: make(chan struct{}, maxCalls), wake: make(chan struct{}, 1),
		condition: Condition{State: Starting, Since: time.Now()}, changed: make(chan struct{}), restarts: newRestarts(c.times, c.MaxExits),
	}
}

// useNone has the unit run no program. Others are the names of the plugins of its kind that
// there are: its own may be a slip of the pen.
func (u *unit) useNone(others []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.newest, u.wanted = nil, nil
	why := fmt.Sprintf("there is no program of %s that is trusted", u.id)
	if len(others) > 0 {
		why += fmt.Sprintf("; of this kind there are %s", strings.Join(others, ", "))
	}
	u.setLocked(Disabled, fault.Ours, why)
	u.wakeUp()
}

// use has the unit run a program.
func (u *unit) use(f *trust.Found) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case slices.Contains(u.config.Disabled, u.id):
		u.newest, u.wanted = &program{Found: *f}, nil
		u.setLocked(Disabled, fault.Ours, "it was disabled")
	case u.wanted != nil && u.wanted.SHA256 == f.SHA256 && (u.wanted.Path == f.Path || u.wanted == u.ran):
		return
	case f.SHA256 == u.rejected:
		return
	default:
		u.newest = &program{Found: *f}
		u.wanted, u.rejected = u.newest, ""
		if u.condition.State == Disabled {
			u.setLocked(Starting, fault.Ours, "")
		}
	}
	u.wakeUp()
}

// keeps reports whether the unit goes on with its program though there is no file of
// it any more, such as while it is being replaced: the file is kept open.
func (u *unit) keeps(trusted func(sha256 string) bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wanted != nil && u.wanted == u.ran && trusted(u.wanted.SHA256)
}

func (u *unit) wakeUp() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// exists reports whether there is such a plugin, as far as that is known.
func (u *unit) exists() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.newest != nil || u.current != nil || u.condition.State != Disabled
}

// set notes how the plugin is, and tells those who wait for it.
func (u *unit) set(s State, side fault.Side, reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.setLocked(s, side, reason)
}

func (u *unit) setLocked(s State, side fault.Side, reason string) {
	if u.condition.State == s && u.condition.Reason == reason {
		return
	}
	u.condition = Condition{State: s, Side: side, Reason: reason, Since: time.Now()}
	u.tellLocked()
}

// tellLocked tells those who wait that something is otherwise.
func (u *unit) tellLocked() {
	close(u.changed)
	u.changed = make(chan struct{})
	u.config.Changed()
}

// supervise keeps the plugin running until ctx ends.
func (u *unit) supervise(ctx context.Context) {
	defer u.end()
	for ctx.Err() == nil {
		p := u.await(ctx)
		if p == nil {
			return
		}
		u.set(Starting, fault.Ours, "")
		began := time.Now()
		g, err := u.start(ctx, p)
		if err == nil {
			u.install(g, nil)
			err = u.attend(ctx, g)
		}
		if err != nil && ctx.Err() == nil {
			u.rest(ctx, err, time.Since(began))
		}
	}
}

// end is what comes after the last process.
func (u *unit) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.previous.letGo()
	u.ran.letGo()
	u.setLocked(Disabled, fault.Ours, "the host has ended its plugins")
}

// await returns the program to run, once there is one; nil when ctx ends before.
func (u *unit) await(ctx context.Context) *program {
	for {
		u.mu.Lock()
		p := u.wanted
		u.mu.Unlock()
		if p != nil {
			return p
		}
		select {
		case <-ctx.Done():
			return nil
		case <-u.wake:
		}
	}
}

// start starts a program and has it say what it is.
func (u *unit) start(ctx context.Context, p *program) (*generation, error) {
	p.keep()
	running, err := u.config.start(ctx, host.Program{
		Path: p.Path, File: p.kept, SHA256: p.SHA256, RunDir: u.config.RunDir, Env: host.Environment(u.config.Env, u.config.MemoryBytes),
		Log: u.log, Redact: u.redactor.line,
	})
	if err != nil {
		p.letGo() // there may be a better one at its path
		if exit, ok := host.ExitOf(err); ok {
			u.note(exit)
		}
		return nil, err
	}
	g := &generation{process: running, program: p, startedAt: time.Now()}
	if g.description, err = u.identify(ctx, running); err != nil {
		running.Stop()
		return nil, err
	}
	u.log.Info("plugin is running", "version", p.Entry.Version, "pid", running.PID())
	return g, nil
}

// identify returns what a process says of itself, if it is what it is trusted as.
func (u *unit) identify(ctx context.Context, running process) (json.RawMessage, error) {
	ctx, cancel := within(ctx, describeTimeout)
	defer cancel()
	description, err := running.Describe(ctx)
	if err != nil {
		return nil, err
	}
	var says plugin.Description
	if err := json.Unmarshal(description, &says); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the plugin does not say what it is").On(fault.Plugin)
	}
	if is := (ID{says.Kind, says.Name}); is != u.id {
		return nil, fault.New(fault.Corrupt, "the plugin is trusted as %s and says that it is %s", u.id, is).On(fault.Plugin)
	}
	return description, nil
}

// install has calls go to a process, and to its instances that are open already.
func (u *unit) install(g *generation, open map[*instance]backend) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ran != g.program {
		if u.previous != g.program {
			u.previous.letGo()
		}
		u.previous, u.ran = u.ran, g.program
	}
	u.current = g
	u.starts++
	u.breaker.reset()
	for i, b := range open {
		i.openedLocked(g, b)
	}
	u.setLocked(Ready, fault.Ours, "")
	u.tellLocked()
}

// uninstall has calls wait for the next process.
func (u *unit) uninstall() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.current = nil
	u.tellLocked()
}

// attend stays with a process, and those that take its place, until the last of them
// is gone. An error is that it ended by itself.
func (u *unit) attend(ctx context.Context, g *generation) error {
	w := newWatch(u)
	defer w.stop()
	for {
		select {
		case <-ctx.Done():
			u.uninstall()
			g.retire(ctx, u.config.times.quitGrace)
			return nil
		case <-g.process.Exited():
			return u.lost(g)
		case <-u.wake:
			next, ended := u.reconsider(ctx, g)
			if ended {
				return nil
			}
			if next != g {
				w.renew()
			}
			g = next
		case <-w.tick():
			w.ask(ctx, g)
		case a := <-w.answers:
			w.answered(g, a.err)
		}
	}
}
