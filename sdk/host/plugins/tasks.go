package plugins

import (
	"context"
	"sync"
)

// tasks are functions that run from Run on, whenever they come, until it ends.
type tasks struct {
	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // of Run, for those that come later
	waiting []func(context.Context)
	group   sync.WaitGroup
	ended   bool
}

func newTasks() *tasks { return &tasks{} }

// add runs a task, once Run does. It reports false, and does not, after Run's end.
func (t *tasks) add(task func(context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ended:
		return false
	case t.ctx == nil:
		t.waiting = append(t.waiting, task)
	default:
		t.group.Go(func() { task(t.ctx) })
	}
	return true
}

// run runs the tasks until ctx ends, and returns when all have ended.
func (t *tasks) run(ctx context.Context) {
	t.mu.Lock()
	t.ctx = ctx
	for _, task := range t.waiting {
		t.group.Go(func() { task(ctx) })
	}
	t.waiting = nil
	t.mu.Unlock()
	<-ctx.Done()
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.group.Wait()
}
