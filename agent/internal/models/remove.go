package models

import (
	"context"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// remove takes a model out of memory and away. One that isn't there is done already.
func (e *Executor) remove(ctx context.Context, model string) (*work.Result, error) {
	before, err := e.storedBytes(ctx, model)
	if err != nil {
		return nil, err
	}
	if before < 0 {
		return &work.Result{}, nil
	}
	e.progress.enter(work.Tidying, "")
	loaded, err := e.ollama.Loaded(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(loaded, func(name string) bool { return order.Canonical(name) == order.Canonical(model) }) {
		if err := e.ollama.Unload(ctx, model); err != nil {
			return nil, err
		}
	}
	if err := e.ollama.Delete(ctx, model); err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	return &work.Result{FreedBytes: before}, nil
}

// storedBytes is the size of a model as Ollama tells it, and negative where there is none.
func (e *Executor) storedBytes(ctx context.Context, model string) (int64, error) {
	models, err := e.ollama.Models(ctx)
	if err != nil {
		return 0, err
	}
	for _, m := range models {
		if order.Canonical(m.Name) == order.Canonical(model) {
			return m.Size, nil
		}
	}
	return -1, nil
}

// collect deletes what no model refers to.
func (e *Executor) collect(ctx context.Context) (*work.Result, error) {
	e.tidy(ctx)
	return &work.Result{}, nil
}
