package agentlink

import (
	"context"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// beatSlots is into how many moments of an interval the heartbeats are spread.
const beatSlots = 20

// metronome says when each session is to send a heartbeat: at each interval from its
// beginning on. There is one for all of them, for a goroutine of each would cost more
// than everything else of an agent that does nothing.
type metronome struct {
	mu    sync.Mutex
	now   int // the slot of this moment
	slots [beatSlots]map[*session]struct{}
}

func (m *metronome) add(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.slot = m.now
	if m.slots[s.slot] == nil {
		m.slots[s.slot] = map[*session]struct{}{}
	}
	m.slots[s.slot][s] = struct{}{}
}

func (m *metronome) remove(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.slots[s.slot], s)
}

// step goes on to the next moment and appends the sessions to due whose turn it is.
func (m *metronome) step(due []*session) []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = (m.now + 1) % beatSlots
	for s := range m.slots[m.now] {
		due = append(due, s)
	}
	return due
}

// beat has heartbeats sent until ctx ends.
func (l *Link) beat(ctx context.Context) {
	tick := time.NewTicker(l.pace.ping / beatSlots)
	defer tick.Stop()
	var due []*session
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due = l.metronome.step(due[:0])
		for _, s := range due {
			if s.due.CompareAndSwap(false, true) { // else the last one was not sent yet
				l.couriers.hand(func() { l.keepAlive(s) })
			}
		}
		clear(due)
		l.couriers.mind(time.Now())
	}
}

// keepAlive pings, acknowledges, and ends a session whose agent is silent. Acks go
// with the pings: an agent keeps samples for much longer, and a thousand agents are
// a thousand writes a second. It counts intervals, not time: a control plane that was
// stopped for a minute has not seen a minute's silence.
func (l *Link) keepAlive(s *session) {
	s.beating.Lock()
	defer s.beating.Unlock()
	s.due.Store(false)
	if s.over {
		return
	}
	if s.silence.Add(1) > wire.SilentPings {
		s.end()
		return
	}
	l.forgetDuplicate(s)
	if stored := s.acked.Load(); stored > s.told {
		s.told = stored
		if s.send(&wire.Ack{Seq: stored}) != nil {
			return
		}
	}
	_ = s.send(l.nextProbe(s)) // a failure has ended the session
}

// stopBeating returns when no heartbeat is under way, nor will be.
func (l *Link) stopBeating(s *session) {
	l.metronome.remove(s)
	s.beating.Lock()
	defer s.beating.Unlock()
	s.over = true
}
