package live

import (
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// member is a connection that hears what is pushed.
type member struct {
	socket  *edge.Socket
	framing framing
	muted   atomic.Uint32 // the topics that it does not want to hear
}

// hub knows who is connected. Its methods may be called concurrently.
type hub struct {
	mu      sync.Mutex
	members map[*member]struct{}
}

func (h *hub) join(m *member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[m] = struct{}{}
}

func (h *hub) leave(m *member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members, m)
}

func (h *hub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.members)
}

// hears reports whether anybody wants to hear of the topic.
func (h *hub) hears(about topic) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m := range h.members {
		if m.muted.Load()&uint32(about) == 0 {
			return true
		}
	}
	return false
}

// offer offers data to one member.
func (h *hub) offer(m *member, about topic, data json.RawMessage) {
	m.socket.Offer(about.String(), edge.TextMessage(m.framing.event(about.String(), data, request{})))
}

// push offers data to every member that wants to hear of the topic. It waits for
// none of them: an offer only replaces the one before.
func (h *hub) push(about topic, data json.RawMessage) { h.pushOf(about, "", data) }

// pushOf is push for one of several subjects: an offer only replaces the one before of
// the same subject.
func (h *hub) pushOf(about topic, subject string, data json.RawMessage) {
	framed := map[framing]edge.Message{}
	h.mu.Lock()
	defer h.mu.Unlock()
	for m := range h.members {
		if m.muted.Load()&uint32(about) != 0 {
			continue
		}
		message, ok := framed[m.framing]
		if !ok {
			message = edge.TextMessage(m.framing.event(about.String(), data, request{}))
			framed[m.framing] = message
		}
		m.socket.Offer(about.String()+subject, message)
	}
}
