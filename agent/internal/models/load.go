package models

import (
	"context"
	"errors"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// The ways into an Ollama, as results tell them.
const (
	wayPull   = "pull"
	wayPlace  = "place"
	wayCreate = "create"
)

// load makes a model of a recipe.
func (e *Executor) load(ctx context.Context, job *work.Job) (*work.Result, error) {
	version, err := e.version(ctx, job.Recipe.Requires)
	if err != nil {
		return nil, err
	}
	from, err := e.source(job)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	layers, err := layersOf(job, from)
	if err != nil {
		return nil, err
	}
	if err := e.identify(ctx, layers); err != nil {
		return nil, err
	}
	e.progress.step()
	if onlyCreated(job.Recipe) {
		return e.create(ctx, job, layers, version)
	}
	img, err := newImage(job.Recipe, layers)
	if err != nil {
		return nil, err
	}
	made := &work.Result{Digest: img.digest, SizeBytes: img.sizeBytes}
	if there, err := e.has(ctx, job.Model, img.digest); err != nil || there {
		return made, err
	}
	made.Path = wayPull
	placed, err := e.place(ctx, layers)
	if err != nil {
		return nil, err
	}
	if placed {
		made.Path = wayPlace
	}
	err = e.pull(ctx, job.Model, img)
	if _, can := errors.AsType[notPulledError](err); can {
		e.log.Warn("this Ollama does not pull from this host; the model is created", "version", version, "error", err)
		return e.create(ctx, job, layers, version)
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

// onlyCreated reports whether no registry can have the model: Ollama makes it of other
// files, or of a model that it has.
func onlyCreated(r *loader.Recipe) bool {
	return r.Converted() || r.From != "" || slices.ContainsFunc(r.Layers, func(l loader.Layer) bool { return mediaType(l.Role) == "" })
}

// identify finds out the digests that the recipe doesn't say. A model's bytes then come
// twice: Ollama has to be told the digest before the first of them.
func (e *Executor) identify(ctx context.Context, layers []*layer) error {
	var total int64
	for _, l := range layers {
		if l.SHA256 == "" {
			total += l.SizeBytes()
		}
		total += l.SizeBytes()
	}
	e.progress.expect(total)
	for _, l := range layers {
		if l.SHA256 == "" {
			e.progress.enter(work.Preparing, "the digest of the model is found out")
		}
		counted := l.SHA256 == ""
		err := l.identify(ctx, func(n int64) {
			if counted {
				e.progress.add(n)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// has reports whether the model is there already, with this digest.
func (e *Executor) has(ctx context.Context, model, digest string) (bool, error) {
	models, err := e.ollama.Models(ctx)
	return slices.ContainsFunc(models, func(m api.Model) bool {
		return order.Canonical(m.Name) == order.Canonical(model) && (digest == "" || m.Digest == digest)
	}), err
}

// rename gives the model that passed its checks its own name, in one step, and takes
// away the name that it had meanwhile. Of a model that had the name before nothing stays.
func (e *Executor) rename(ctx context.Context, passing, model, digest string) error {
	replaces, err := e.has(ctx, model, "")
	if err == nil && replaces {
		err = e.ollama.Copy(ctx, model, replacedName(passing))
	}
	if err != nil {
		return err
	}
	if err := e.ollama.Copy(ctx, passing, model); err != nil {
		return err
	}
	there, err := e.has(ctx, model, digest)
	if err != nil {
		return err
	}
	if !there {
		return fault.New(fault.Corrupt, "Ollama on this host took the model in, and lists it with another digest than %s", digest).On(fault.Ollama)
	}
	e.tidy(ctx)
	return nil
}
