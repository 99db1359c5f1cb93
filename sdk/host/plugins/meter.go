package plugins

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Metrics is what a plugin has done since the host's start, and what its process uses.
type Metrics struct {
	Calls         []CallMetrics
	Errors        []ErrorMetrics
	InFlight      int
	BytesSent     int64 // to the plugin, of objects
	BytesReceived int64
	Breaker       Breaker // of the process

	RSSBytes int64 // 0 without a process
	CPUTime  time.Duration
}

// CallMetrics is how often a call was made, and how long that took.
type CallMetrics struct {
	Name    string // such as stat
	Count   int64
	Latency time.Duration // all of them together
	Buckets []int64       // how many took at most as long as [LatencyBounds] says
}

// ErrorMetrics is how many calls have failed in one way.
type ErrorMetrics struct {
	Kind  fault.Kind
	Side  fault.Side
	Count int64
}

// LatencyBounds returns the bounds of the buckets of latencies.
func LatencyBounds() []time.Duration {
	return []time.Duration{
		time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
		2500 * time.Millisecond, 10 * time.Second, time.Minute,
	}
}

// meter counts what a plugin does.
type meter struct {
	sent, received atomic.Int64
	bounds         []time.Duration

	mu       sync.Mutex
	calls    map[string]*CallMetrics
	errors   map[ErrorMetrics]int64 // by those with a count of 0
	inFlight int
}

func newMeter() *meter {
	return &meter{bounds: LatencyBounds(), calls: map[string]*CallMetrics{}, errors: map[ErrorMetrics]int64{}}
}

// begin counts a call, whose end is to be told.
func (m *meter) begin(name string) (end func(took time.Duration, err error)) {
	m.mu.Lock()
	m.inFlight++
	m.mu.Unlock()
	return func(took time.Duration, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.inFlight--
		c, ok := m.calls[name]
		if !ok {
			c = &CallMetrics{Name: name, Buckets: make([]int64, len(m.bounds))}
			m.calls[name] = c
		}
		c.Count++
		c.Latency += took
		for b, bound := range m.bounds {
			if took <= bound {
				c.Buckets[b]++
			}
		}
		m.failedLocked(err)
	}
}

// failed counts a failure of a call that had an end already.
func (m *meter) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failedLocked(err)
}

func (m *meter) failedLocked(err error) {
	if err != nil {
		m.errors[ErrorMetrics{Kind: fault.KindOf(err), Side: fault.SideOf(err)}]++
	}
}

// moved returns how many bytes have passed.
func (m *meter) moved() int64 { return m.sent.Load() + m.received.Load() }

func (m *meter) read() Metrics {
	out := Metrics{BytesSent: m.sent.Load(), BytesReceived: m.received.Load()}
	m.mu.Lock()
	defer m.mu.Unlock()
	out.InFlight = m.inFlight
	for _, c := range m.calls {
		one := *c
		one.Buckets = slices.Clone(c.Buckets)
		out.Calls = append(out.Calls, one)
	}
	for e, n := range m.errors {
		e.Count = n
		out.Errors = append(out.Errors, e)
	}
	slices.SortFunc(out.Calls, func(a, b CallMetrics) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Errors, func(a, b ErrorMetrics) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Side, b.Side))
	})
	return out
}
