package models

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
)

// The pause after a failure, which doubles with each further one.
const (
	minPause = 2 * time.Second
	maxPause = 5 * time.Minute
)

// perform does a task and notes what became of it.
func (s *Service) perform(ctx context.Context, t *task) {
	job := t.job
	doing, done := job.Start(ctx)
	var err error
	if t.placement.Wanted {
		var stop context.CancelCauseFunc
		doing, stop = s.stoppable(doing, t)
		defer stop(nil)
		err = s.load(doing, t, job)
	} else {
		err = s.remove(doing, t, job)
	}
	if err != nil && doing.Err() != nil {
		err = context.Cause(doing)
	}
	done()
	if errors.Is(err, operations.ErrCancelled) {
		if forgone := s.forgo(context.WithoutCancel(ctx), t.at, t.placement.Wanted); forgone != nil {
			s.Log.Warn("what was cancelled is wanted still", "host", t.host.Name, "model", t.at.model, "error", forgone)
		}
	}
	s.settleRun(ctx, t, job, err)
}

// stoppable returns a context that ends also when the model is to go from the host that
// is just getting it.
func (s *Service) stoppable(ctx context.Context, t *task) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[t.at]; r != nil {
		r.stop = stop
	}
	if now, placed := s.placed[t.at]; placed && !now.Wanted {
		stop(operations.ErrCancelled)
	}
	return ctx, stop
}

func shownName(t *task) string {
	if t.model.Name != "" {
		return t.model.Name
	}
	return t.at.model
}

// settleRun notes how a task ended, and when it is tried again.
func (s *Service) settleRun(ctx context.Context, t *task, job *operations.Job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[t.at]
	if r == nil || r.job != job { // the placement was forgotten meanwhile
		job.End(err)
		return
	}
	r.under, r.stop = false, nil
	s.touchHost(t.at.hostID)
	r.lacked = err != nil && s.lacks(s.baseAt(t.at), &t.host)
	again := false
	if ctx.Err() == nil {
		err = r.broke(err)
	}
	switch {
	case err == nil, errors.Is(err, operations.ErrCancelled) && t.placement.Wanted && !s.placed[t.at].Wanted:
		r.reset()
	case ctx.Err() != nil: // the program ends
		again = true
	case worthTrying(err):
		again = true
		r.failures++
		r.session = t.host.ConnectedAt
		r.notUntil = s.Now().Add(pause(r.failures))
	default:
		r.stuck, r.with = true, t.software() // no new session mends it, and no later time
	}
	if again {
		job.Again(err, r.notUntil)
	} else {
		job.End(err)
	}
	s.announce()
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("a host has not got what it should have", "host", t.host.Name, "model", t.at.model, "wanted", t.placement.Wanted, "again", again, "error", err)
	}
}

// worthTrying reports whether what failed may go well without anybody's doing.
func worthTrying(err error) bool {
	if _, broken := errors.AsType[brokenError](err); broken {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.RateLimited, fault.NoSpace, fault.Internal:
		return true
	}
	return false
}

// pause returns how long to wait after so many failures. Half of it is chance, so that
// what failed together is not tried together.
func pause(failures int) time.Duration {
	d := maxPause
	if failures < 10 {
		d = min(maxPause, minPause<<failures)
	}
	return d/2 + rand.N(d/2)
}

// retry has what failed at a place be tried now, and be wanted again where it was
// cancelled. What somebody wants otherwise by now, or is done by now, is fault.Conflict.
func (s *Service) retry(ctx context.Context, at place, p fleet.Placement) (*operations.Job, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	now, placed := s.placed[at]
	offered := s.offered(at.model)
	s.mu.RUnlock()
	switch {
	case placed && now.Wanted != p.Wanted:
		return nil, fault.New(fault.Conflict, "this is not wanted any more: by now it is the other way round").On(fault.Caller)
	case p.Wanted && !offered:
		return nil, fault.New(fault.Conflict, "the catalogue has no model %q that hosts can get any more", fleet.ShownModel(at.model)).On(fault.Caller)
	case !placed:
		if err := s.place(ctx, []fleet.Placement{p}); err != nil {
			return nil, err
		}
	}
	hosts := byID(s.View.Hosts())
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runAt(at)
	r.reset()
	s.touchHost(at.hostID)
	s.queue([]fleet.Placement{s.placed[at]}, hosts)
	s.wake()
	if r.job == nil || r.job.Now().State.Ended() {
		return nil, fault.New(fault.Conflict, "there is nothing to do for it any more").On(fault.Caller)
	}
	return r.job, nil
}

// retryAll has what failed of a model be tried now, on all hosts.
func (s *Service) retryAll(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, r := range s.runs {
		if at.model == fleet.CanonicalModel(name) {
			r.reset()
			s.touchHost(at.hostID)
		}
	}
	s.wake()
}
