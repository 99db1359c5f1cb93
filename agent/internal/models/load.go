package models

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/plugins"
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
	through := plugins.New(filepath.Join(e.host.DataDir, "plugins"), e.environ, from, e.log)
	defer through.Close()
	layers, err := layersOf(job, from, through)
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
	if _, err := e.replaces(ctx, job); err != nil {
		return nil, err
	}
	made.Path = wayPull
	placed, err := e.place(ctx, layers)
	if err != nil {
		return nil, err
	}
	if placed {
		made.Path = wayPlace
	}
	err = e.pull(ctx, job, img)
	if _, can := errors.AsType[notPulledError](err); can {
		e.log.Warn("this Ollama does not pull from this host; the model is created", "version", version, "error", err)
		img.distrust() // what is created is not fetched again when it is wrong
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
	return r.Converted() || r.From != "" || slices.ContainsFunc(r.Layers, func(l loader.Layer) bool { return mediaType(l.Role) == "" && l.Role != loader.RoleConfig })
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
