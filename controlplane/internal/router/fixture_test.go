package router

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// hosts stands in for all hosts: it notes what reaches them, and answers.
type hosts struct {
	mu     sync.Mutex
	calls  []call
	body   *body // of the latest answer
	status int
	sized  bool  // the answers' length is known
	read   error // what reading an answer ends with; io.EOF unless set
	err    error // instead of an answer

	fails map[string]func() (*fleet.Answer, error) // how single hosts answer instead, by their id
}

type call struct {
	Host, Instance, Body string
}

func (h *hosts) Call(_ context.Context, to fleet.Target, c fleet.Call) (*fleet.Answer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, call{Host: to.HostID, Instance: to.Instance, Body: string(c.Body)})
	if h.err != nil {
		return nil, h.err
	}
	if fail := h.fails[to.HostID]; fail != nil {
		answer, err := fail()
		if answer != nil {
			answer.Target = to
		}
		return answer, err
	}
	h.body = &body{Reader: strings.NewReader(answered), end: h.read}
	return &fleet.Answer{Status: max(h.status, 200), Length: h.length(), Target: to, Body: h.body}, nil
}

const answered = "answer"

func (h *hosts) length() int64 {
	if h.sized {
		return int64(len(answered))
	}
	return -1
}

// reached returns the hosts that were called, in order.
func (h *hosts) reached() string {
	var ids []string
	for _, c := range h.calls {
		ids = append(ids, c.Host)
	}
	return strings.Join(ids, " ")
}

// body counts how often it was closed.
type body struct {
	io.Reader
	end    error
	closed int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.end != nil {
		err = b.end
	}
	return n, err
}

func (b *body) Close() error { b.closed++; return nil }

// ending is how a request ended, and when.
type ending struct {
	How  fleet.Outcome
	Took time.Duration
}

// meter notes what it was told.
type meter struct {
	mu    sync.Mutex
	begun int
	ended []ending
}

func (m *meter) Begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun++
}

func (m *meter) End(took time.Duration, how fleet.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = append(m.ended, ending{how, took})
}

// lab is a router over a real registry and hosts that are stood in for.
type lab struct {
	*Router
	registry *fleet.Registry
	hosts    *hosts
	meter    *meter
	options  Options
	now      time.Time
}

func newLab(h *hosts) *lab {
	l := &lab{registry: fleet.NewRegistry(nil), hosts: h, meter: &meter{}, now: noon()}
	clock := func() time.Time { return l.now }
	guard, err := NewGuard(clock)
	if err != nil {
		panic(err)
	}
	l.Router = New(l.registry, l.hosts, l.meter, guard, func() Options { return l.options }, clock)
	return l
}

// join adds a connected host with one instance, that is ready and holds these models.
func (l *lab) join(id string, models ...fleet.HostModel) {
	l.registry.Put(fleet.Host{ID: id, Name: "name of " + id})
	l.registry.Connect(id, 1, noon(), 0)
	l.report(id, fleet.Instance{Models: models})
}

func (l *lab) report(id string, i fleet.Instance) {
	i.Name, i.State = "default", fleet.InstanceReady
	l.registry.Report(id, 1, noon(), []fleet.Instance{i})
}

func tiny() fleet.HostModel { return fleet.HostModel{Name: "tiny:latest", Digest: "d1"} }

// pick chooses an instance as for a chat with a prompt of some length, and put
// takes that back.
func (l *lab) pick(model string) (*choice, error) {
	a := readAsk(l.seed, model, "/api/chat", []byte(chatBody))
	return l.choose(&a, nil)
}

func (l *lab) put(c *choice) { l.release(&ask{}, c, fleet.Counts{}) }

var chatBody = `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("Why is the sky blue? ", 50) + `"}]}`

// ask forwards a call that has to be answered.
func (l *lab) ask(t testing.TB, model string) *fleet.Answer {
	t.Helper()
	answer, err := l.Forward(t.Context(), model, fleet.Call{Method: "POST", Path: "/api/chat", Body: []byte(`{"model":"` + model + `","messages":[{"role":"user","content":"Why?"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// wantIdle checks that nothing counts as under way.
func (l *lab) wantIdle(t *testing.T) {
	t.Helper()
	for number, s := range l.seats.all {
		if s.inFlight != 0 {
			t.Errorf("%d requests count as under way on instance %d", s.inFlight, number)
		}
	}
	for digest, m := range l.models {
		for number, r := range m.runners.all {
			if r.inFlight != 0 || r.loads != 0 || r.work.total != 0 {
				t.Errorf("of model %s on instance %d, %d requests count as under way, %d loads, %g s of work",
					digest, number, r.inFlight, r.loads, r.work.total)
			}
		}
	}
	if l.meter.begun != len(l.meter.ended) {
		t.Errorf("%d requests began and %d ended", l.meter.begun, len(l.meter.ended))
	}
}
