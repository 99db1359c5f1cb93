package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// How long a call may take, with all that it waits for and tries again.
const (
	describeTimeout = 5 * time.Second
	presignTimeout  = 5 * time.Second
	statTimeout     = 15 * time.Second
	openTimeout     = 30 * time.Second
	pageTimeout     = time.Minute
	deleteTimeout   = time.Minute
	closeTimeout    = 10 * time.Second
	sweepTimeout    = 10 * time.Minute
)

// maxAgain is how often a call is made again because its process has ended.
const maxAgain = 3

// exitGrace is how long the end of a process may take to be seen after its
// connection broke.
const exitGrace = time.Second

// errLate is the cause of a context of ours that was over in time.
var errLate = errors.New("a deadline of the host has passed")

// within returns a context that ends after a while, with an error that says so. A
// plugin that stands still is found out by other means: that an answer is late is of
// the service that it waits for.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, late(limit))
}

func late(limit time.Duration) error {
	return fault.Wrap(fault.Timeout, errLate, "there was no answer within %v", limit).On(fault.Service)
}

// call makes a call of a process that has to do with no instance, and makes it again
// where the process ends under it.
func (u *unit) call(ctx context.Context, name string, again bool, do func(*generation) error) error {
	var err error
	for range 1 + maxAgain {
		var g *generation
		if g, err = u.enter(ctx); err != nil {
			return err
		}
		err = u.observe(ctx, g, nil, name, func() error { return do(g) })
		g.leave()
		if !again || !errors.Is(err, errEnded) {
			break
		}
	}
	return err
}

// enter waits for the process and adds a call to it, which has to leave it.
func (u *unit) enter(ctx context.Context) (*generation, error) {
	for {
		u.mu.Lock()
		g, changed, condition := u.current, u.changed, u.condition
		if g != nil && !g.gone() {
			g.enter()
			u.mu.Unlock()
			return g, nil
		}
		u.mu.Unlock()
		if err := u.wait(ctx, condition, changed); err != nil {
			return nil, err
		}
	}
}

// wait returns nil when it is worth to look again for what a call needs.
func (u *unit) wait(ctx context.Context, condition Condition, changed <-chan struct{}) error {
	if condition.State == Disabled || condition.State == Failed {
		return fault.New(fault.Unavailable, "the plugin %s is %s: %s", u.id, condition.State, u.redactor.text(condition.Reason)).On(fault.Plugin)
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		if condition.Reason == "" {
			return outOfTime(ctx, "the plugin %s did not get ready in time", u.id)
		}
		return outOfTime(ctx, "%s", u.redactor.text(condition.Reason))
	}
}

// outOfTime is the error of a call that has waited for a plugin until its context
// ended. Where that was a deadline of ours, the plugin is not there for its callers.
func outOfTime(ctx context.Context, format string, args ...any) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errLate):
		return fault.Wrap(fault.Unavailable, cause, format, args...).On(fault.Plugin)
	case errors.Is(cause, context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, cause, format, args...).On(fault.Plugin)
	default:
		return cause
	}
}

// errEnded is part of each error of a call whose process has ended, and errKilled where
// somebody else has killed it.
var (
	errEnded  = errors.New("the process has ended")
	errKilled = fmt.Errorf("%w, killed by somebody else", errEnded)
)

// observe makes a call in a process: within the bounds of how many there may be, past
// the breakers, counted, and with an error that says what has happened.
func (u *unit) observe(ctx context.Context, g *generation, i *instance, name string, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case u.calls <- struct{}{}:
	case <-ctx.Done():
		return outOfTime(ctx, "the plugin %s has too much to do", u.id)
	}
	defer func() { <-u.calls }()
	if err := u.allowed(i); err != nil {
		return err
	}
	began := time.Now()
	end := u.meter.begin(name)
	err := u.explain(ctx, g, do())
	end(time.Since(began), err)
	u.judge(i, err)
	return err
}

// allowed returns why a call is refused, nil where it is not.
func (u *unit) allowed(i *instance) error {
	if ok, wait, last := u.breaker.allow(time.Now()); !ok {
		return fault.Wrap(fault.Unavailable, last, "the plugin %s fails at most of what it is asked, and is not asked for %v", u.id, wait.Round(time.Second)).
			On(fault.Plugin).After(wait)
	}
	if i == nil {
		return nil
	}
	if ok, wait, last := i.breaker.allow(time.Now()); !ok {
		return fault.Wrap(fault.Unavailable, last, "the service behind %s fails at most of what it is asked, and is not asked for %v", i.setup.Name, wait.Round(time.Second)).
			On(fault.Service).After(wait)
	}
	return nil
}

// judge tells the breakers how a call went.
func (u *unit) judge(i *instance, err error) {
	ofProcess, ofInstance := verdict(err)
	if u.breaker.done(time.Now(), ofProcess, err) {
		u.config.Changed()
	}
	if i != nil && i.breaker.done(time.Now(), ofInstance, err) {
		u.config.Changed()
	}
}

// verdict says what a call's error says of the process and of the service behind the
// instance. What a caller has done wrong, or given up, is nobody's failure, and what
// is so of one object is not so of others. One whose process has ended is for the
// restarts to count.
func verdict(err error) (ofProcess, ofInstance outcome) {
	if errors.Is(err, errEnded) {
		return unclear, unclear
	}
	plugins := fault.SideOf(err) == fault.Plugin
	switch fault.KindOf(err) {
	case fault.Canceled:
		return unclear, unclear
	case fault.Unauthenticated, fault.RateLimited, fault.Timeout:
		return worked, failed
	case fault.Unavailable, fault.Internal:
		if plugins {
			return failed, unclear
		}
		return worked, failed
	case fault.Corrupt:
		if plugins {
			return failed, unclear
		}
	}
	return worked, worked
}

// explain returns an error of a call as its caller gets it: without secrets, and with
// what has become of the process where that is why.
func (u *unit) explain(ctx context.Context, g *generation, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errLate):
		return context.Cause(ctx)
	case ctx.Err() != nil:
		return err
	case fault.SideOf(err) == fault.Plugin && ends(g, fault.KindOf(err) == fault.Unavailable):
		exit := g.process.Exit()
		end := errEnded
		if exit.Killed {
			end = errKilled
		}
		return fmt.Errorf("%w%w", u.ended(exit), hidden{end})
	}
	return u.redactor.error(err)
}

// hidden is an error that is found and says nothing.
type hidden struct{ error }

func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.error }

// ends reports whether a process has ended, or does so soon, where its connection may
// have broken.
func ends(g *generation, broken bool) bool {
	if !broken {
		return g.gone()
	}
	timer := time.NewTimer(exitGrace)
	defer timer.Stop()
	select {
	case <-g.process.Exited():
		return true
	case <-timer.C:
		return false
	}
}
