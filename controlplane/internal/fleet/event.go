package fleet

import (
	"sync"
	"time"
)

// Event is something that happened and that an operator may want to know.
type Event struct {
	ID      uint64    `json:"id"` // grows, over restarts too
	At      time.Time `json:"at"`
	Type    string    `json:"type"`    // a stable word, such as "storage_state"
	Subject string    `json:"subject"` // what it happened to, by its name
	State   string    `json:"state"`   // how that is now
	Message string    `json:"message"` // a sentence; may be empty
}

// keptEvents is how many of the latest events are known.
const keptEvents = 1000

// Events are the latest events, in memory. Its methods may be called concurrently.
type Events struct {
	now func() time.Time

	mu   sync.Mutex
	last uint64
	list []Event // oldest first
}

// NewEvents returns an empty list.
func NewEvents(now func() time.Time) *Events {
	return &Events{now: now, last: uint64(max(0, now().UnixMicro()))}
}

// Add adds an event, which gets its id and its time here.
func (e *Events) Add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	event.ID, event.At = e.last, e.now().UTC()
	if len(e.list) == keptEvents {
		e.list = append(e.list[:0], e.list[1:]...)
	}
	e.list = append(e.list, event)
}

// After returns the events with ids above the given one, oldest first: the latest
// of them where there are more than limit.
func (e *Events) After(id uint64, limit int) []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := len(e.list)
	for first > 0 && e.list[first-1].ID > id && len(e.list)-first < limit {
		first--
	}
	return append([]Event{}, e.list[first:]...)
}
