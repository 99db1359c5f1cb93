package models

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// load has a host make a model of the catalogue its own.
func (s *Service) load(ctx context.Context, t *task, job *operations.Job) error {
	if err := s.grounded(t); err != nil {
		return err
	}
	order, err := s.jobFor(ctx, t, job.ID())
	if err != nil {
		return err
	}
	defer s.fromPeers(t, &order)()
	result, err := s.Workers.Work(ctx, t.target(), order, func(e work.Event) {
		job.Progress(string(e.Phase), e.DoneBytes, e.TotalBytes, e.Message)
	})
	if err != nil {
		return err
	}
	if err := s.loaded(context.WithoutCancel(ctx), t, result.Digest); err != nil {
		return err
	}
	s.seen(ctx, t, result.Digest)
	return nil
}

// reportLimit is for how long is waited until a host tells of what it has just got: agents
// tell of their models at once, and every ten seconds.
const reportLimit = 12 * time.Second

// seen waits until the host tells of a model that it has got, so that nobody brings it there
// once more because it isn't told of yet.
func (s *Service) seen(ctx context.Context, t *task, digest string) {
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	for ctx.Err() == nil {
		changed := s.View.Changed()
		hosts := s.View.Hosts()
		i := slices.IndexFunc(hosts, func(h fleet.HostView) bool { return h.ID == t.at.hostID })
		if i < 0 || !hosts[i].State.Reachable() {
			return
		}
		if in := instanceNamed(&hosts[i], t.at.instance); in != nil {
			if has, there := modelOn(in, t.at.model); there && has.Digest == digest {
				return
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
		select { // in a large fleet something changes all the time
		case <-time.After(settle):
		case <-ctx.Done():
		}
	}
}

// jobFor returns what a worker is asked for.
func (s *Service) jobFor(ctx context.Context, t *task, id string) (work.Job, error) {
	var info loader.Info
	if err := json.Unmarshal(t.model.Info, &info); err != nil {
		return work.Job{}, fault.Wrap(fault.Corrupt, err, "what is stored of the model %q can't be read", t.model.Name)
	}
	var options loader.Options
	if len(t.model.Options) > 0 {
		if err := json.Unmarshal(t.model.Options, &options); err != nil {
			return work.Job{}, fault.Wrap(fault.Corrupt, err, "what is wanted of the model %q can't be read", t.model.Name)
		}
	}
	options.Quantize = t.model.Quantize
	recipe, err := s.Loaders.Plan(ctx, t.model.Loader, loader.Request{Info: info, Options: options, Ollama: t.version})
	if err != nil {
		return work.Job{}, err
	}
	recipe.From = s.nameThere(t, recipe.From)
	order := work.Job{
		ID: id, Kind: work.Load, Model: t.model.Name, Recipe: &recipe, Sources: map[string]work.Source{}, MaxBytesPerSecond: s.Rate(),
	}
	// What is there under the name may go where it is what we put there.
	for _, digest := range append([]string{t.placement.Digest, t.model.Digest}, t.model.OtherDigests...) {
		if digest != "" {
			order.Replaces = append(order.Replaces, digest)
		}
	}
	for _, f := range t.model.Files {
		if !needs(&recipe, f.Path) {
			continue
		}
		if order.Sources[f.Path], err = s.Storages.Source(ctx, t.target(), f); err != nil {
			return work.Job{}, err
		}
	}
	return order, nil
}

// needs reports whether a recipe has a part of a file.
func needs(r *loader.Recipe, file string) bool {
	for _, l := range r.Layers {
		for _, p := range l.Parts {
			if p.File == file {
				return true
			}
		}
	}
	return false
}

// loaded notes what a host has now. Where no host had the model before, that is what it
// is known as. What another version of Ollama makes of it otherwise is noted too: it is
// what that host is to have, and no reason to make it there again.
func (s *Service) loaded(ctx context.Context, t *task, digest string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	m, err := s.Stored(t.model.Name)
	if err != nil || !sameModel(&m, &t.model) {
		return nil // it is another one now, or none: that is seen to next
	}
	if !m.Is(digest) {
		if m.Digest == "" {
			m.Digest = digest
		} else {
			m.OtherDigests = append(slices.Clone(m.OtherDigests), digest)
			s.Log.Warn("a host has made another model of the same files", "host", t.host.Name, "model", t.at.model, "ollama", t.version, "digest", digest)
		}
		if err := s.save(ctx, m); err != nil {
			return err
		}
	}
	p := t.placement
	p.Digest = digest
	s.mu.RLock()
	now, placed := s.placed[t.at]
	s.mu.RUnlock()
	if !placed {
		return nil
	}
	p.Wanted, p.Cached, p.Since = now.Wanted, now.Cached, now.Since
	return s.place(ctx, []fleet.Placement{p})
}

// sameModel reports whether hosts make the same of both.
func sameModel(a, b *fleet.StoredModel) bool {
	return slices.Equal(a.Files, b.Files) && a.Quantize == b.Quantize && bytes.Equal(a.Options, b.Options)
}
