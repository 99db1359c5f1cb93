package plugins

import (
	"context"
	"time"
)

// idle ends a context when the plugin is waited for too long at a time. How long the
// whole takes does not matter, nor how long a caller takes with what it got.
type idle struct {
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer
}

func newIdle(ctx context.Context, limit time.Duration) (context.Context, *idle) {
	i := &idle{limit: limit}
	ctx, i.cancel = context.WithCancelCause(ctx)
	i.timer = time.AfterFunc(limit, func() { i.cancel(late(limit)) })
	i.timer.Stop()
	return ctx, i
}

// wait begins to wait for the plugin.
func (i *idle) wait() { i.timer.Reset(i.limit) }

// waitFor begins to wait for something that may take another time.
func (i *idle) waitFor(limit time.Duration) { i.timer.Reset(limit) }

// rest ends waiting.
func (i *idle) rest() { i.timer.Stop() }

// end ends the context.
func (i *idle) end() {
	i.timer.Stop()
	i.cancel(context.Canceled)
}
