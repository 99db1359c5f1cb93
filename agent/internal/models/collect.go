package models

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/sdk/wire/work"
)

// collect deletes what no model refers to, where the folder is the agent's Ollama's own.
func (e *Executor) collect(ctx context.Context) (*work.Result, error) {
	e.tidy(ctx)
	if e.store == nil || !e.host.Ours || !e.store.Writable() {
		e.progress.enter(work.Tidying, "the folder of this host's models is not the agent's to tidy")
		return &work.Result{}, nil
	}
	if reason, shared := e.store.Shared(); shared {
		e.log.Info("the folder of models is not tidied", "reason", reason)
		e.progress.enter(work.Tidying, reason)
		return &work.Result{}, nil
	}
	freed, err := e.store.Collect(time.Now())
	if err != nil {
		return nil, err
	}
	return &work.Result{FreedBytes: freed}, nil
}

// mayTidy reports whether files of the folder of models are the agent's to delete.
func (e *Executor) mayTidy() bool {
	if e.store == nil || !e.host.Ours || !e.store.Writable() {
		return false
	}
	_, shared := e.store.Shared()
	return !shared
}
