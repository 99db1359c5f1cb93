package models

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// trash is how long the files of a deleted model lie in their storage before they go.
const trash = 24 * time.Hour

// Deletion says what is to be deleted of a model.
type Deletion struct {
	// Hosts are the ids or names of those that are to let go of it; empty is all of them,
	// the storage, and the catalogue.
	Hosts []string
	// Purge has the files go at once, and not after a day.
	Purge bool
}

// Delete has a model go from hosts, or from everywhere: from the hosts first, each when it
// can be reached, then from its storage, then from the catalogue. What is on its way here
// to be the model doesn't come. A model that only hosts have goes from those. One that
// nobody has is fault.NotFound.
func (s *Service) Delete(ctx context.Context, name string, d Deletion) error {
	turned := len(d.Hosts) == 0 && s.turnBack(ctx, name)
	s.changing.Lock()
	defer s.changing.Unlock()
	m, err := s.Stored(name)
	stored := err == nil
	hosts, err := s.holding(name, d.Hosts)
	if err != nil {
		return err
	}
	if !stored && len(hosts) == 0 {
		if turned {
			return nil
		}
		return fault.New(fault.NotFound, "model %q not found", name).On(fault.Caller)
	}
	list := s.wantedOn(name, hosts)
	for i := range list {
		list[i].Wanted = false
	}
	if len(d.Hosts) == 0 {
		list = append(list, s.letGo(name)...)
	}
	if stored {
		if m.Everywhere && len(d.Hosts) > 0 {
			m.Everywhere = false
		}
		if len(d.Hosts) == 0 {
			m.DeletedAt = s.Now().UTC()
			m.Aliases = nil // which are free for others from here on
			m.PurgeAt = m.DeletedAt.Add(trash)
			if d.Purge || len(m.Files) == 0 {
				m.PurgeAt = m.DeletedAt
			}
		}
		if err := s.save(ctx, m); err != nil {
			return err
		}
	}
	return s.place(ctx, list)
}

// LetGo has hosts no longer keep a model of the catalogue, which stays there: those with
// these ids, or all where none is named. It does nothing for one that is not in the
// catalogue, and does not wait until they have let go.
func (s *Service) LetGo(ctx context.Context, name string, hostIDs ...string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	m, err := s.Stored(name)
	if err != nil {
		return nil // fault.NotFound: nobody is to have it
	}
	if m.Everywhere {
		m.Everywhere = false
		if err := s.save(ctx, m); err != nil {
			return err
		}
	}
	list := slices.DeleteFunc(s.letGo(name), func(p fleet.Placement) bool {
		return len(hostIDs) > 0 && !slices.Contains(hostIDs, p.HostID)
	})
	return s.place(ctx, list)
}

// turnBack ends what brings a model here, and reports whether anything did.
func (s *Service) turnBack(ctx context.Context, name string) (turned bool) {
	s.mu.RLock()
	arrivals := s.arrivals
	s.mu.RUnlock()
	if arrivals != nil { // of several of a name that wait, not each has an operation
		turned = arrivals.turnBack(fleet.CanonicalModel(name))
	}
	for _, o := range s.Operations.UnderWay() {
		if !arriving(o) || !fleet.SameModel(o.Model, name) {
			continue
		}
		if _, err := s.Operations.Cancel(ctx, o.ID); err == nil { // else it has just ended
			turned = true
		}
	}
	return turned
}

// holding returns the hosts that are named and have a model or are to have it, or all
// that have it.
func (s *Service) holding(name string, refs []string) ([]fleet.HostView, error) {
	if len(refs) > 0 {
		return s.choose(nil, Where{Hosts: refs})
	}
	var list []fleet.HostView
	for _, h := range s.View.Hosts() {
		if in := instanceNamed(&h, instanceOf(&h)); in != nil {
			if _, has := modelOn(in, name); has {
				list = append(list, h)
			}
		}
	}
	return list, nil
}

// letGo returns the placements of a model, none of them wanted.
func (s *Service) letGo(name string) []fleet.Placement {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := s.placedOf(name)
	for i := range list {
		list[i].Wanted = false
	}
	return list
}

// Restore takes a deletion back while the files are there. Hosts don't get the model
// again by that.
func (s *Service) Restore(ctx context.Context, name string) (fleet.StoredModel, error) {
	return s.change(ctx, name, func(m *fleet.StoredModel) error {
		if m.DeletedAt.IsZero() {
			return fault.New(fault.Conflict, "the model %q is not deleted", m.Name).On(fault.Caller)
		}
		if s.lost(m) {
			return fault.New(fault.Conflict, "the files of the model %q are gone", m.Name).On(fault.Caller)
		}
		m.DeletedAt, m.PurgeAt = time.Time{}, time.Time{}
		return nil
	})
}

// remove has a host let go of a model.
func (s *Service) remove(ctx context.Context, t *task, job *operations.Job) error {
	in := instanceNamed(&t.host, t.at.instance)
	if has, there := modelOn(in, t.at.model); there {
		order := work.Job{ID: job.ID(), Kind: work.Remove, Model: has.Name}
		_, err := s.Workers.Work(ctx, t.target(), order, func(e work.Event) {
			job.Progress(string(e.Phase), e.DoneBytes, e.TotalBytes, e.Message)
		})
		if err != nil {
			return err
		}
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	now, placed := s.placed[t.at]
	s.mu.RUnlock()
	if !placed || now.Wanted { // somebody wants it again
		return nil
	}
	return s.unplace(context.WithoutCancel(ctx), now)
}

// purge begins to delete the files of models whose time has come, and returns after how
// long the next one's will have.
func (s *Service) purge(ctx context.Context, working *sync.WaitGroup) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := look
	for name, m := range s.models {
		if m.DeletedAt.IsZero() || s.taking[name] != nil || len(m.Files) == 0 && len(s.placedOf(name)) > 0 {
			continue
		}
		if wait := m.PurgeAt.Sub(s.Now()); wait > 0 {
			next = min(next, wait)
			continue
		}
		at := place{model: name}
		r := s.runs[at]
		if r == nil {
			r = &run{}
			s.runs[at] = r
		}
		if r.under || s.Now().Before(r.notUntil) {
			continue
		}
		r.under = true
		working.Go(func() { s.purgeOne(ctx, name, at) })
	}
	return next
}

// purgeOne deletes the files of a model, and the model where no host has it any more.
func (s *Service) purgeOne(ctx context.Context, name string, at place) {
	m, err := s.Stored(name)
	if err != nil {
		return
	}
	job := s.Operations.Begin(operations.What{Kind: fleet.DeleteOperation, Model: m.Name, TotalBytes: m.SizeBytes()})
	doing, done := job.Start(ctx)
	err = s.empty(doing, name)
	done()
	s.mu.Lock()
	r := s.runs[at]
	r.under = false
	if err == nil {
		r.reset()
	} else {
		r.failures++
		r.notUntil = s.Now().Add(pause(r.failures))
	}
	again := r.notUntil
	if _, there := s.models[name]; !there {
		delete(s.runs, at)
	}
	s.tell() // a new one of the name may wait for this
	s.mu.Unlock()
	if err == nil {
		job.End(nil)
		return
	}
	job.Again(err, again)
	if ctx.Err() == nil {
		s.Log.Warn("a deleted model's files are still there", "model", name, "error", err)
	}
}

// empty deletes the files of a deleted model that no other has, and the model where no
// host has it any more.
func (s *Service) empty(ctx context.Context, name string) error {
	m, err := s.Stored(name)
	if err != nil {
		return nil // there is nothing left to do
	}
	if err := s.drop(ctx, m.Files); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	m.Files = nil
	if len(s.letGo(name)) > 0 { // a host that is away still has it
		return s.save(ctx, m)
	}
	if err := s.Store.RemoveModel(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.models, fleet.CanonicalModel(name))
	delete(s.said, fleet.CanonicalModel(name))
	delete(s.based, fleet.CanonicalModel(name))
	delete(s.overdue, fleet.CanonicalModel(name))
	s.prefer()
	s.announce()
	s.Log.Info("model deleted", "model", m.Name)
	return nil
}

// lost reports whether the files of a model go, or are gone: nobody may count on them.
func (s *Service) lost(m *fleet.StoredModel) bool {
	return !m.DeletedAt.IsZero() && !s.Now().Before(m.PurgeAt)
}
