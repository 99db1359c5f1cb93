package live

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
)

// subscribe subscribes in the raw dialect, and takes the answer.
func (c *client) subscribe(topic string) {
	c.t.Helper()
	c.say(`{"event":"subscribe","data":{"topics":["` + topic + `"]}}`)
	c.next("subscriptions")
}

// next skips what is pushed otherwise, and returns the data of the next frame of
// this type.
func (c *client) next(kind string) json.RawMessage {
	c.t.Helper()
	for {
		if f := c.hearFrame(); f.Type == kind {
			return f.Data
		}
	}
}

// hosts returns the next list of hosts.
func (c *client) hosts() (list []fleet.HostView) {
	c.t.Helper()
	data := c.next("hosts_list")
	if err := json.Unmarshal(data, &list); err != nil {
		c.t.Fatalf("%v in %s", err, data)
	}
	return list
}

// observe puts a sample of the registry's host.
func (f *fixture) observe(percent float64) {
	f.registry.Observe("h1", 1, at(), &fleet.Sample{TakenAt: at(), CPUPercent: &percent, GPUs: []fleet.GPU{}})
}

func TestHostsComeOnSubscribingAndWithEachChange(t *testing.T) {
	f := start(t, echoes, nil)
	f.observe(12.5)
	c := f.raw()
	c.say(`{"event":"subscribe","data":{"topics":["hosts_list"]},"id":1}`)
	c.want(`{"type":"subscriptions","data":{"topics":["metrics_update","models_list","model_progress","hosts_list"]},"id":1}`)
	want := f.registry.Hosts()
	want[0] = want[0].Shown()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	c.want(`{"type":"hosts_list","data":` + string(data) + `}`)
	f.registry.Put(fleet.Host{ID: "h2", Name: "beta"})
	if got := c.hosts(); len(got) != 2 || got[1].Name != "beta" || got[0].Sample == nil {
		t.Errorf("after a host has come: %+v", got)
	}
	c.subscribe("hosts_list") // is told again
	if got := c.hosts(); len(got) != 2 {
		t.Errorf("on subscribing again: %+v", got)
	}
	f.registry.SetProblem("h1", fleet.Problem{Code: "x", Message: "it hurts"})
	if got := c.hosts(); got[0].State != fleet.HostDegraded {
		t.Errorf("after a problem: %+v", got[0])
	}

	c = f.joined(`40{"token":"operator"}`)
	c.say(`42["subscribe",{"topics":["hosts_list"]}]`)
	for !strings.HasPrefix(c.hear(), `42["hosts_list",[{"id":"h1"`) {
	}
}

// A sample is no news, nor is a report that says what was known: the next list is
// that of the next change.
func TestSamplesAloneBringNoHosts(t *testing.T) {
	f := start(t, echoes, nil)
	f.report("tiny")
	c := f.raw()
	c.subscribe("hosts_list")
	c.hosts()
	for i := range 20 {
		f.observe(float64(i))
		f.report("tiny")
		// The list of hosts is looked at while this is answered, or before.
		c.say(`{"event":"get_models","id":1}`)
		if got := c.hearFrame(); got.Type != "models_list" {
			t.Fatalf("%s %s", got.Type, got.Data)
		}
	}
	f.registry.Put(fleet.Host{ID: "h1", Name: "renamed"})
	if got := c.hosts(); got[0].Name != "renamed" || *got[0].Sample.CPUPercent != 19 {
		t.Errorf("%+v", got[0])
	}
}

func TestHostsThatChangeOftenAreToldOfNowAndThen(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.hosts = 100 * time.Millisecond })
	c := f.raw()
	c.subscribe("hosts_list")
	began := time.Now()
	for i := range 200 {
		f.registry.Put(fleet.Host{ID: "h1", Name: fmt.Sprintf("name-%d", i)})
	}
	lists := 0
	for done := false; !done; lists++ {
		done = c.hosts()[0].Name == "name-199"
	}
	if most := 2 + int(time.Since(began)/f.pace.hosts); lists > most {
		t.Errorf("%d lists in %v", lists, time.Since(began))
	}
}

// Who comes while hosts change is left with the newest list, whatever was looked
// at when.
func TestNobodyIsLeftWithAnOldListOfHosts(t *testing.T) {
	f := start(t, echoes, nil)
	const changes = 100
	clients := []*client{f.raw(), f.raw(), f.raw()}
	for i := range changes {
		f.registry.Put(fleet.Host{ID: "h1", Name: fmt.Sprintf("name-%d", i)})
		clients[i%len(clients)].say(`{"event":"subscribe","data":{"topics":["hosts_list"]}}`)
	}
	last := fmt.Sprintf("name-%d", changes-1)
	for _, c := range clients {
		for c.hosts()[0].Name != last { // lists of a while ago
		}
		c.say(`{"event":"subscribe","data":{"topics":["hosts_list"]},"id":"end"}`)
		for ended := false; !ended; {
			got := c.hearFrame()
			ended = string(got.ID) == `"end"`
			if got.Type == "hosts_list" && !strings.Contains(string(got.Data), last) {
				t.Errorf("after the newest list came %s", got.Data)
			}
		}
	}
}

// What nobody has subscribed to is neither looked at nor told.
func TestHostMetricsAreForThoseWhoAskForThem(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.metrics, p.hostMetrics = 10*time.Millisecond, 10*time.Millisecond })
	f.observe(12.5)
	c := f.raw()
	for range 10 {
		if got := c.hearFrame().Type; got != "metrics_update" {
			t.Fatalf("heard %s unasked", got)
		}
	}
	if n := f.summary.usages.Load(); n != 0 {
		t.Errorf("the hosts' numbers were looked at %d times for nobody", n)
	}
	c.say(`{"event":"subscribe","data":{"topics":["host_metrics"]}}`)
	c.next("subscriptions")
	last := uint64(0)
	for range 5 {
		var m summary.HostMetrics
		data := c.next("host_metrics")
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		if m.Sequence <= last || len(m.Hosts) != 1 || *m.Hosts[0].CPUPercent != 12.5 {
			t.Errorf("after %d: %s", last, data)
		}
		last = m.Sequence
	}
	c.say(`{"event":"unsubscribe","data":{"topics":["host_metrics"]},"id":1}`)
	c.next("subscriptions")
	c.next("metrics_update")
	quiet := f.summary.usages.Load()
	for range 10 {
		c.next("metrics_update")
	}
	if n := f.summary.usages.Load(); n > quiet+1 { // one look may have begun before
		t.Errorf("the hosts' numbers were looked at %d times after the last has left", n-quiet)
	}
}

// All who come between two pushes get what the first one got, and push after
// push everybody gets the same bytes.
func TestHostMetricsAreEncodedOnceForAll(t *testing.T) {
	f := start(t, echoes, nil) // pushes hourly
	f.observe(12.5)
	const listeners = 20
	clients := make([]*client, listeners)
	for i := range clients {
		clients[i] = f.raw()
		clients[i].subscribe("host_metrics")
		clients[i].want(`{"type":"host_metrics","data":{"at":"2026-01-02T03:04:05Z","sequence":1,"hosts":[` +
			`{"id":"h1","taken_at":"2026-01-02T03:04:05Z","cpu_percent":12.5,"in_flight":0,"gpus":[]}]}}`)
	}
	f.observe(50)
	if err := f.usage.push(); err != nil {
		t.Fatal(err)
	}
	first := clients[0].hear()
	for _, c := range clients[1:] {
		if diff := cmp.Diff(first, c.hear()); diff != "" {
			t.Fatalf("two clients heard different things\n%s", diff)
		}
	}
	if n := f.summary.usages.Load(); n != 2 {
		t.Errorf("%d looks for two rounds of %d listeners", n, listeners)
	}
	f.usage.forget() // the second is over
	clients[0].subscribe("host_metrics")
	if got := clients[0].next("host_metrics"); !strings.Contains(string(got), `"sequence":3`) {
		t.Errorf("a later second has %s", got)
	}
}

// Numbers that can't be encoded are a line in the log, and no end of anything.
func TestHostMetricsGoOnAfterAFailure(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.hostMetrics = 5 * time.Millisecond })
	f.summary.broken.Store(true)
	c := f.raw()
	c.subscribe("host_metrics")
	for f.summary.usages.Load() < 3 {
		c.say(`{"event":"get_models","id":1}`)
		if got := c.hearFrame(); got.Type != "models_list" {
			t.Fatalf("%s %s", got.Type, got.Data)
		}
	}
	f.summary.broken.Store(false)
	c.next("host_metrics")
}
