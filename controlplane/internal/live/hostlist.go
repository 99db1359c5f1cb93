package live

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// hostList tells of the hosts. A look at them and what is said of it are one step
// under the lock: an older look never replaces a newer one.
type hostList struct {
	registry Registry
	hub      *hub

	mu   sync.Mutex
	told []byte // the list that everybody has who listens, but for what changes every second
}

// push tells everybody who listens, if there is something new.
func (l *hostList) push() error { return l.tell(nil) }

// tell tells a newcomer in any case, and everybody else if there is something new.
func (l *hostList) tell(newcomer *member) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	hosts := l.registry.Hosts()
	for i := range hosts {
		hosts[i] = hosts[i].Shown()
	}
	steady, err := encode(withoutSamples(hosts))
	if err != nil {
		return err
	}
	news := !bytes.Equal(steady, l.told)
	if !news && newcomer == nil {
		return nil
	}
	list, err := encode(hosts)
	if err != nil {
		return err
	}
	if news {
		l.told = steady
		l.hub.push(aboutHosts, list)
		return nil
	}
	l.hub.offer(newcomer, aboutHosts, list)
	return nil
}

// withoutSamples returns the hosts without what a sample changes.
func withoutSamples(hosts []fleet.HostView) []fleet.HostView {
	steady := make([]fleet.HostView, len(hosts))
	for i, h := range hosts {
		h.Sample, h.LastFrameAt = nil, time.Time{}
		steady[i] = h
	}
	return steady
}

// pushHosts looks at the hosts after each change, and then not again for a while.
func (l *Live) pushHosts(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		changed := l.registry.Changed() // before the look, so that no change is lost
		if l.hub.hears(aboutHosts) {
			l.logFailure(aboutHosts, l.hosts.push())
		}
		pause.Reset(l.pace.hosts)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
