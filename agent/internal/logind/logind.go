// Package logind hears from systemd's logind, over the system's D-Bus, that the
// host goes to sleep, and has it wait until what has to be told is told.
package logind

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// retryInterval is how long a system without a bus, or one that broke, is left
// alone. Hosts without one never get it, and at others it breaks hardly ever.
const retryInterval = time.Minute

// Watcher knows whether the host is awake.
type Watcher struct {
	asleep error
	log    hclog.Logger
}

// New returns a watcher that does nothing until Run. asleep is the cause with which
// contexts end when the host goes to sleep.
func New(asleep error, log hclog.Logger) *Watcher { return &Watcher{asleep: asleep, log: log} }

// nap is the host's sleep from the word that it is about to begin.
type nap struct {
	told  chan struct{} // closed when work has ended; the host may sleep then
	awake chan struct{} // closed when it is over
}

// Run does work whenever the host is awake: its context ends when the host goes to
// sleep, which waits for it to return, and it is begun anew when the host is back.
// Where nothing is to be heard of sleep, that is once. Run returns when ctx ends,
// or when work returns while the host is awake or with an error, which Run returns.
func (w *Watcher) Run(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	naps := make(chan *nap)
	watching.Go(func() { w.watch(ctx, naps) })
	for {
		n, err := w.untilSleep(ctx, naps, work)
		if n == nil {
			return err
		}
		select {
		case <-n.awake:
			w.log.Info("the host is awake")
		case <-ctx.Done():
			return nil
		}
	}
}

// untilSleep does work until the host goes to sleep, or returns nil and what work
// returned.
func (w *Watcher) untilSleep(ctx context.Context, naps <-chan *nap, work func(context.Context) error) (*nap, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	select {
	case err := <-ended:
		return nil, err
	case n := <-naps:
		w.log.Info("the host goes to sleep")
		end(w.asleep)
		if err := <-ended; err != nil {
			return nil, err
		}
		close(n.told)
		return n, nil
	}
}

// watch hands on what logind says until ctx ends.
func (w *Watcher) watch(ctx context.Context, naps chan<- *nap) {
	var said string
	for {
		err := w.listen(ctx, naps)
		if ctx.Err() != nil {
			return
		}
		if reason := err.Error(); reason != said { // once, and not every minute
			said = reason
			w.log.Debug("nothing is heard of the host's sleep", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryInterval):
		}
	}
}
