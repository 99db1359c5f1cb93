package models

import (
	"context"
	"slices"
	"time"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// remove takes a model out of memory and away. One that isn't there is done already.
func (e *Executor) remove(ctx context.Context, model string) (*work.Result, error) {
	found, err := e.find(ctx, model)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return &work.Result{}, nil
	}
	e.progress.enter(work.Tidying, "")
	if err := e.unload(ctx, model); err != nil {
		return nil, err
	}
	if err := e.ollama.Delete(ctx, model); err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	return &work.Result{FreedBytes: found.Size}, nil
}

// How long a model may take to leave the memory. One that answers goes when it is done.
const (
	unloadTime  = 30 * time.Second
	unloadEvery = 50 * time.Millisecond
)

// unload takes a model out of memory and waits for that, but not for ever: what runs is
// run from memory, also when its file is gone.
func (e *Executor) unload(ctx context.Context, model string) error {
	asked := false
	for began := time.Now(); ; {
		loaded, err := e.ollama.Loaded(ctx)
		if err != nil {
			return err
		}
		in := slices.ContainsFunc(loaded, func(name string) bool { return order.Canonical(name) == order.Canonical(model) })
		if !in || time.Since(began) > unloadTime {
			return nil
		}
		if !asked {
			if err := e.ollama.Unload(ctx, model); err != nil {
				return err
			}
			asked = true
		}
		if err := pause(ctx, unloadEvery); err != nil {
			return err
		}
	}
}
