package models

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// maxAtOnce is on how many hosts something is done at a time: more of them share the
	// same disk and line, and none would be done sooner.
	maxAtOnce = 16
	// The pause after a failure, which doubles with each further one.
	minPause = 2 * time.Second
	maxPause = 5 * time.Minute
	// settle is how long changes are waited for that come with others.
	settle = 50 * time.Millisecond
	// share is how many times as long as a look took nothing is looked at after it: a large
	// fleet, of which something changes all the time, costs a twentieth of a core for that.
	share = 20
	// look is how often is looked anew where nothing has changed.
	look = time.Minute
)

// run is what is being done at a place, or has failed there. Its fields belong to s.mu.
type run struct {
	under    bool // it is being done
	failures int
	notUntil time.Time
	stuck    bool                    // to try again would not help; somebody has to say so
	lacked   bool                    // what the model is based on was not there when it failed
	version  string                  // of the Ollama with which it got stuck: another one is a reason to try again
	session  time.Time               // of the host when it failed: a new one is a reason to try again
	stop     context.CancelCauseFunc // ends a load that is under way; nil where there is none
	job      *operations.Job
}

// reset has what failed be tried at once.
func (r *run) reset() {
	r.failures, r.notUntil, r.stuck, r.lacked, r.version = 0, time.Time{}, false, false, ""
}

// task is something that is to be done at a place.
type task struct {
	at        place
	placement fleet.Placement
	model     fleet.StoredModel
	host      fleet.HostView
	version   string // of the instance's Ollama
	job       *operations.Job

	// What the host lacks for it to be begun; both are empty where it lacks nothing.
	reason fleet.WaitReason
	lacks  string
}

func (t *task) target() fleet.Target {
	return fleet.Target{HostID: t.at.hostID, Host: t.host.Name, Instance: t.at.instance}
}

// Run keeps what is wanted until ctx ends. It returns when all that it began has ended.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	for {
		changed := s.View.Changed()
		began := time.Now()
		next := s.reconcile(ctx, &working)
		took := time.Since(began)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-changed:
		case <-s.waking:
		case <-timer.C:
		}
		timer.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(settle, share*took)):
		}
	}
}

// reconcile begins what is due and returns after how long to look again.
func (s *Service) reconcile(ctx context.Context, working *sync.WaitGroup) time.Duration {
	all := s.View.Hosts()
	hosts := byID(all)
	s.measure(all)
	if err := s.spread(ctx, all); err != nil {
		s.Log.Warn("hosts that joined don't get the models that are for all", "error", err)
	}
	if err := s.forget(ctx, hosts); err != nil {
		s.Log.Warn("placements on hosts that are gone are left over", "error", err)
	}
	if err := s.ground(ctx, hosts); err != nil {
		s.Log.Warn("hosts don't get what their models are based on", "error", err)
	}
	if err := s.evict(ctx, all); err != nil {
		s.Log.Warn("hosts keep more models than they may", "error", err)
	}
	tasks, next := s.due(hosts)
	for _, t := range tasks {
		working.Go(func() { s.perform(ctx, t) })
	}
	s.collect(ctx, hosts, working)
	return min(next, s.purge(ctx, working))
}

// due returns what is to be done now, which counts as being done from here on, and after
// how long something else will be. The rest has operations that say what it waits for.
func (s *Service) due(hosts map[string]*fleet.HostView) (tasks []*task, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	next = look
	busy := s.busy()
	awaited := map[string]bool{}
	has := stock{}
	for _, at := range s.order(hosts) {
		t := s.taskAt(at, s.placed[at], hosts[at.hostID], has)
		if t == nil {
			continue
		}
		r := s.runAt(at)
		switch {
		case t.reason != "":
		case r.failures > 0 && !r.stuck && t.host.ConnectedAt.After(r.session),
			r.lacked && !s.lacks(s.baseAt(at), &t.host), r.stuck && r.version != "" && r.version != t.version:
			r.reset()
		}
		if r.stuck {
			continue
		}
		if !r.under {
			s.expect(t, r)
		}
		awaited[r.job.ID()] = true
		wait := r.notUntil.Sub(now)
		switch reason, message := s.waitsFor(t, busy); {
		case r.under:
		case reason != "":
			r.job.Wait(reason, message)
		case wait > 0:
			r.job.Wait(fleet.WaitsForRetry, "")
			next = min(next, wait)
		default:
			r.under, busy[at.hostID] = true, at
			t.job = r.job
			tasks = append(tasks, t)
		}
	}
	s.dismiss(awaited)
	return tasks, next
}

// taskAt returns what is to be done at a place, nil for nothing. s.mu is held.
func (s *Service) taskAt(at place, p fleet.Placement, h *fleet.HostView, has stock) *task {
	if h == nil {
		return nil
	}
	m, stored := s.models[at.model]
	if p.Wanted && (!stored || len(m.Files) == 0 || m.Loader == "" || !m.DeletedAt.IsZero()) {
		return nil
	}
	t := &task{at: at, placement: p, model: m, host: *h}
	ours := p.Wanted && m.Is(p.Digest)
	if !h.State.Reachable() {
		if ours && !s.awaits(at) { // as far as anybody knows it is there
			return nil
		}
		t.reason, t.lacks = fleet.WaitsForHost, "the host is "+string(h.State)
		return t
	}
	in := instanceNamed(h, at.instance)
	if in == nil || !in.Serves() || !in.ModelsKnown {
		if ours && !s.awaits(at) {
			return nil
		}
		t.reason, t.lacks = fleet.WaitsForOllama, "the host's Ollama is not ready"
		return t
	}
	if there := has.find(in, at.model); ours && there != nil && there.Digest == p.Digest {
		return nil
	}
	t.version = in.Version
	if base := s.baseAt(at); p.Wanted && s.arrives(base, h) {
		t.reason, t.lacks = fleet.WaitsForBase, "it is based on "+s.models[base.model].Name+", which comes first"
	}
	return t
}

// spread has hosts get what is for all of them.
func (s *Service) spread(ctx context.Context, hosts []fleet.HostView) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	list, given := s.unspread(hosts)
	if err := s.place(ctx, list); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range given {
		s.hostedBy(h.ID).spread = instanceOf(h)
	}
	return nil
}

// forAll reports whether every host is to have a model.
func forAll(m *fleet.StoredModel) bool { return m.Everywhere && m.DeletedAt.IsZero() }

// unspread returns what is for all hosts and is not placed on these, and on which of them
// everything is when that is placed.
func (s *Service) unspread(hosts []fleet.HostView) (list []fleet.Placement, given []*fleet.HostView) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range hosts {
		h := &hosts[i]
		if known := s.hosted[h.ID]; !h.Pending && (known == nil || known.spread != instanceOf(h)) {
			given = append(given, h)
		}
	}
	if len(given) == 0 {
		return nil, nil
	}
	at := s.Now().UTC()
	for name, m := range s.models {
		if !forAll(&m) {
			continue
		}
		for _, h := range given {
			p := fleet.Placement{Model: name, HostID: h.ID, Instance: instanceOf(h), Wanted: true, Since: at}
			if _, there := s.placed[placeOf(&p)]; !there {
				list = append(list, p)
			}
		}
	}
	return list, given
}

// forget forgets placements on hosts that were removed.
func (s *Service) forget(ctx context.Context, hosts map[string]*fleet.HostView) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	var list []fleet.Placement
	for id, h := range s.hosted {
		switch {
		case hosts[id] != nil:
		case len(h.places) == 0:
			delete(s.hosted, id)
		default:
			for _, at := range h.places {
				list = append(list, s.placed[at])
			}
		}
	}
	s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	return s.unplace(ctx, list...)
}

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
	r.lacked = err != nil && s.lacks(s.baseAt(t.at), &t.host)
	again := false
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
		r.stuck, r.version = true, t.version // no new session mends it, and no later time
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
// cancelled.
func (s *Service) retry(ctx context.Context, t *task) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	_, placed := s.placed[t.at]
	if r := s.runs[t.at]; r != nil {
		r.reset()
	}
	s.wake()
	s.mu.Unlock()
	if placed {
		return nil
	}
	return s.place(ctx, []fleet.Placement{t.placement})
}

// retryAll has what failed of a model be tried now, on all hosts.
func (s *Service) retryAll(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, r := range s.runs {
		if at.model == fleet.CanonicalModel(name) {
			r.reset()
		}
	}
	s.wake()
}
