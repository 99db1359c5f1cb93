package models

import (
	"context"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// find returns how Ollama lists a model, nil where it doesn't.
func (e *Executor) find(ctx context.Context, model string) (*api.Model, error) {
	models, err := e.ollama.Models(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(models, func(m api.Model) bool { return order.Canonical(m.Name) == order.Canonical(model) })
	if at < 0 {
		return nil, nil
	}
	return &models[at], nil
}

// has reports whether a model is there with this digest.
func (e *Executor) has(ctx context.Context, model, digest string) (bool, error) {
	found, err := e.find(ctx, model)
	return found != nil && found.Digest == digest, err
}

// replaces reports whether there is a model under the job's name, which may go. One that
// may not is fault.Conflict.
func (e *Executor) replaces(ctx context.Context, job *work.Job) (bool, error) {
	found, err := e.find(ctx, job.Model)
	if err != nil || found == nil {
		return false, err
	}
	if !slices.Contains(job.Replaces, found.Digest) {
		return false, fault.New(fault.Conflict, "this host has another model called %q, which was not brought there for the catalogue; delete or rename it first", job.Model).On(fault.Host)
	}
	return true, nil
}

// rename gives the model that passed its checks its own name, in one step, and takes
// away the name that it had meanwhile. Of a model that had the name before nothing stays.
func (e *Executor) rename(ctx context.Context, passing string, job *work.Job, digest string) error {
	replaces, err := e.replaces(ctx, job)
	if err == nil && replaces {
		err = e.ollama.Copy(ctx, job.Model, replacedName(passing))
	}
	if err != nil {
		return err
	}
	if err := e.ollama.Copy(ctx, passing, job.Model); err != nil {
		return err
	}
	there, err := e.has(ctx, job.Model, digest)
	if err != nil {
		return err
	}
	if !there {
		return fault.New(fault.Corrupt, "Ollama on this host took the model in, and lists it with another digest than %s", digest).On(fault.Ollama)
	}
	e.tidy(ctx)
	return nil
}
