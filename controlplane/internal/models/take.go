package models

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// taking is a model whose files are on their way into a storage.
type taking struct {
	job    *operations.Job
	parcel Parcel
	files  []fleet.ModelFile // that are there already; they stay as long as it is taken
	breaks int               // how often a loader broke down at them
	// loaderDied is whether its process ended over them the last time.
	loaderDied bool
}

// Take stores the files of a parcel, has a loader look at them, and has hosts get the
// model. What may pass is tried again, until somebody cancels the operation, and what the
// files may be to blame for a few times. It returns when all is done or has failed for
// good; [Service.Models] tells meanwhile how far it is. A model of the name that is in the
// catalogue stays until the new one is there.
func (s *Service) Take(ctx context.Context, p Parcel) error {
	return s.take(ctx, p, func() bool { return false })
}

// take is Take of what was perhaps turned back before its operation could be cancelled.
func (s *Service) take(ctx context.Context, p Parcel, turned func() bool) (err error) {
	if err := p.Check(); err != nil {
		return err
	}
	name := fleet.ShownModel(p.Name)
	job := s.announced(&p, nil)
	doing, done := job.Start(ctx)
	if turned() {
		done()
		job.End(operations.ErrCancelled)
		return operations.ErrCancelled
	}
	t := &taking{job: job, parcel: p}
	if err := s.begin(doing, name, t); err != nil {
		done()
		if ctx.Err() == nil {
			job.End(err)
		}
		return err
	}
	defer s.finish(name)
	for failures := 1; ; failures++ {
		if err = s.takeOnce(doing, name, t); err == nil || doing.Err() != nil || !worthTrying(err) {
			break
		}
		s.Log.Warn("a model is not stored yet", "model", name, "error", err)
		now := job.Now()
		job.Progress(now.Phase, now.DoneBytes, now.TotalBytes, "It is tried again: "+fault.MessageOf(err))
		select {
		case <-doing.Done():
		case <-time.After(pause(failures)):
		}
	}
	cause := context.Cause(doing)
	done()
	if ctx.Err() != nil {
		return ctx.Err() // the program ends, and goes on with it when it is back
	}
	if err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		s.refuse(ctx, name, &t.parcel, err)
	}
	job.End(err)
	return err
}

// announced returns the operation of a parcel that is to be stored, or is. Forgo is
// called when somebody cancels it before it is begun.
func (s *Service) announced(p *Parcel, forgo func(context.Context) error) *operations.Job {
	var total int64
	for _, f := range p.Files {
		total += f.SizeBytes
	}
	return s.Operations.Begin(operations.What{
		Kind: fleet.StoreOperation, Model: fleet.ShownModel(p.Name), TotalBytes: total, Forgo: forgo,
	})
}

func (s *Service) takeOnce(ctx context.Context, name string, t *taking) error {
	p := &t.parcel
	if err := s.foresee(ctx, t); err != nil {
		return err
	}
	files, err := s.shelve(ctx, name, p, t.job)
	if err != nil {
		return err
	}
	inspecting(t.job)
	if err := s.inspect(ctx, name, t, files); err != nil || p.Hosts == nil {
		return err
	}
	_, err = s.Want(ctx, name, Where{Hosts: p.Hosts})
	return err
}

// begin notes that a model is being taken, which can be said of a name once at a time. It
// waits while the files of a deleted one of the name are just going.
func (s *Service) begin(ctx context.Context, name string, t *taking) error {
	canonical := fleet.CanonicalModel(name)
	for {
		s.mu.Lock()
		r, changed := s.runs[place{model: canonical}], s.changed
		err := s.checkName(name)
		if s.taking[canonical] != nil {
			err = fault.New(fault.Conflict, "the model %q is being stored already", name).On(fault.Caller)
		}
		free := err == nil && (r == nil || !r.under)
		if free {
			s.taking[canonical] = t
			s.announce()
		}
		s.mu.Unlock()
		if free || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// inspecting notes that the files are looked at.
func inspecting(job *operations.Job) {
	now := job.Now()
	job.Progress("inspecting", now.DoneBytes, now.TotalBytes, "")
}

// foresee has a loader look at files that are in a storage already, before all of them are
// read for their digests: of what is no model, that would be an hour in vain.
func (s *Service) foresee(ctx context.Context, t *taking) error {
	files := make([]fleet.ModelFile, 0, len(t.parcel.Files))
	unknown := false
	for _, f := range t.parcel.Files {
		if f.Stored == nil {
			return nil
		}
		stored := *f.Stored
		stored.Path = f.Path
		files = append(files, stored)
		unknown = unknown || stored.SHA256 == ""
	}
	if !unknown {
		return nil
	}
	inspecting(t.job)
	_, _, err := s.look(ctx, t, files)
	return err
}

// inspect has a loader look at stored files, and puts the model that they are into the
// catalogue.
func (s *Service) inspect(ctx context.Context, name string, t *taking, files []fleet.ModelFile) error {
	loaderName, info, err := s.look(ctx, t, files)
	if err != nil {
		return err
	}
	p := &t.parcel
	// What can't be planned at all is of no use to any host.
	options := p.Options
	options.Quantize = p.Quantize
	recipe, err := s.Loaders.Plan(ctx, loaderName, loader.Request{Info: info, Options: options})
	if err != nil {
		return t.broke(loaderName, err)
	}
	s.mu.RLock()
	p.Options.From = s.aliases.Of(recipe.From) // files may say it too, and hosts know no aliases
	s.mu.RUnlock()
	if err := s.circular(name, p.Options.From); err != nil {
		return err
	}
	if err := s.identify(ctx, p.Files, files, &info, identifying(t.job)); err != nil {
		return err
	}
	return s.enter(ctx, name, p, files, loaderName, &info)
}

// refuse has the files go that are no model, and the catalogue say why. A model of the
// name that was there before stays what it was.
func (s *Service) refuse(ctx context.Context, name string, p *Parcel, cause error) {
	s.mu.Lock()
	t := s.taking[fleet.CanonicalModel(name)]
	files := t.files
	t.files = nil
	s.mu.Unlock()
	if err := s.drop(ctx, files); err != nil {
		s.Log.Warn("files of a model that was refused are left over", "model", name, "error", err)
	}
	if errors.Is(cause, operations.ErrCancelled) {
		return
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if m, err := s.Stored(name); err == nil && m.Problem == "" || s.CheckName(name) != nil {
		return
	}
	at := s.Now().UTC()
	m := fleet.StoredModel{Name: name, Description: p.Description, Problem: fault.MessageOf(cause), CreatedAt: at}
	if err := s.save(ctx, m); err != nil {
		s.Log.Warn("why a model was refused is not stored", "model", name, "error", err)
	}
}

func (s *Service) finish(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taking, fleet.CanonicalModel(name))
	s.announce()
}

// enter puts a model into the catalogue, in the place of one of this name, whose files
// go.
func (s *Service) enter(ctx context.Context, name string, p *Parcel, files []fleet.ModelFile, loaderName string, info *loader.Info) error {
	text, err := json.Marshal(info)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	options, err := json.Marshal(p.Options)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	s.changing.Lock()
	if err := s.CheckName(name); err != nil { // somebody has taken it meanwhile
		s.changing.Unlock()
		return err
	}
	before, err := s.Stored(name)
	m := before
	if err != nil {
		m = fleet.StoredModel{CreatedAt: s.Now().UTC()}
	}
	m.Name, m.Files, m.Loader, m.Info, m.Quantize, m.Options, m.Digest, m.OtherDigests, m.Problem =
		name, files, loaderName, text, p.Quantize, options, "", nil, ""
	m.Description = cmp.Or(p.Description, m.Description)
	m.DeletedAt, m.PurgeAt = time.Time{}, time.Time{} // somebody wants it again
	err = s.save(ctx, m)
	s.changing.Unlock()
	if err != nil {
		return err
	}
	s.Log.Info("model stored", "model", name, "size", m.SizeBytes(), "loader", loaderName)
	if err := s.drop(ctx, before.Files); err != nil {
		s.Log.Warn("files of the version before are left over", "model", name, "error", err)
	}
	s.retryAll(name)
	return nil
}
