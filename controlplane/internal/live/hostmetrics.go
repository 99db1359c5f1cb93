package live

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// hostMetrics tells of the hosts' numbers.
type hostMetrics struct {
	summary Summary
	hub     *hub

	mu       sync.Mutex
	sequence uint64
	latest   json.RawMessage // of the current second, or nil when nobody has asked in it
}

// push encodes the numbers anew and tells everybody who listens.
func (m *hostMetrics) push() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.look(); err != nil {
		return err
	}
	m.hub.push(aboutHostMetrics, m.latest)
	return nil
}

// tell tells a newcomer, who gets what the others have: however many come in one
// second, the numbers are encoded once in it.
func (m *hostMetrics) tell(newcomer *member) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest == nil {
		if err := m.look(); err != nil {
			return err
		}
	}
	m.hub.offer(newcomer, aboutHostMetrics, m.latest)
	return nil
}

// forget has the next newcomer told of the numbers at that time.
func (m *hostMetrics) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest = nil
}

func (m *hostMetrics) look() error {
	m.sequence++
	latest, err := encode(m.summary.HostMetrics(m.sequence))
	m.latest = latest
	return err
}

func (l *Live) pushHostMetrics(ctx context.Context) {
	ticker := time.NewTicker(l.pace.hostMetrics)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if l.hub.hears(aboutHostMetrics) {
			l.logFailure(aboutHostMetrics, l.usage.push())
		} else {
			l.usage.forget()
		}
	}
}
