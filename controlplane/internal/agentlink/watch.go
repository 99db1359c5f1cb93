package agentlink

import (
	"context"
	"sync"
	"time"
)

// watchInterval is how often hosts that are missing are looked at.
const watchInterval = time.Second

// Run has heartbeats sent and lets time pass for the hosts that are missing, until
// ctx ends, when the sessions have ended. Without it agents take a control plane for
// dead after some seconds.
func (l *Link) Run(ctx context.Context) error {
	var beating sync.WaitGroup
	defer l.couriers.running.Wait()
	defer beating.Wait()
	beating.Go(func() { l.beat(ctx) })
	return l.watch(ctx)
}

func (l *Link) watch(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	doubting := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, h := range l.Registry.Pass(watchInterval, l.DeadAfter()) {
			l.Log.Error("host counts as dead", "host_id", h.ID, "host", h.Name, "seen_at", h.SeenAt)
		}
		doubt := l.Registry.Doubt()
		if doubting == (doubt.Missing > 0) {
			continue
		}
		if doubting = !doubting; doubting {
			l.Log.Warn("too many hosts were lost at once, look at this control plane and its network first", "missing", doubt.Missing, "of", doubt.Of)
		} else {
			l.Log.Info("hosts are no longer missing together")
		}
	}
}
