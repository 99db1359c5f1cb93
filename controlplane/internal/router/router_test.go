package router

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestTheLeastBusyInstanceIsPicked(t *testing.T) {
	l := newLab(&hosts{})
	for _, id := range []string{"h1", "h2", "h3"} {
		l.join(id, tiny())
	}
	l.report("h2", fleet.Instance{Models: []fleet.HostModel{tiny()}, InFlight: 9}) // others use it too
	var answers []*fleet.Answer
	for range 4 {
		answers = append(answers, l.ask(t, "tiny"))
	}
	if diff := cmp.Diff("h1 h3 h1 h3", l.hosts.reached()); diff != "" { // to load is quicker than to wait
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, at := range []int{1, 3} {
		answers[at].Body.Close()
	}
	l.ask(t, "tiny").Body.Close()
	if got := l.hosts.calls[4].Host; got != "h3" {
		t.Errorf("went to %s, want h3, which has none under way", got)
	}
	answers[0].Body.Close()
	answers[2].Body.Close()
	l.wantIdle(t)
}

func TestOfEqualsTheOneThatHasTheModelInMemoryIsPicked(t *testing.T) {
	l := newLab(&hosts{})
	l.join("h1", tiny())
	l.join("h2", tiny())
	l.report("h2", fleet.Instance{
		Models: []fleet.HostModel{tiny()}, Loaded: []fleet.LoadedModel{{Name: "tiny:latest", Digest: "d1"}},
	})
	for range 3 {
		l.ask(t, "tiny").Body.Close()
	}
	busy := l.ask(t, "tiny")
	l.ask(t, "tiny").Body.Close() // a load takes less than the answer that is under way
	busy.Body.Close()
	if diff := cmp.Diff("h2 h2 h2 h2 h1", l.hosts.reached()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEqualsTakeTurns(t *testing.T) {
	l := newLab(&hosts{})
	other := fleet.HostModel{Name: "other:latest", Digest: "d2"}
	inMemory := []fleet.LoadedModel{{Name: "tiny:latest", Digest: "d1"}, {Name: "other:latest", Digest: "d2"}}
	for i := range 3 {
		l.join(fmt.Sprintf("h%d", i), tiny(), other)
		l.report(fmt.Sprintf("h%d", i), fleet.Instance{Models: []fleet.HostModel{tiny(), other}, Loaded: inMemory})
	}
	l.join("busy", tiny())
	l.report("busy", fleet.Instance{Models: []fleet.HostModel{tiny()}, InFlight: 1, Loaded: inMemory[:1]})
	count := map[string]int{}
	for i := range 60 {
		l.ask(t, []string{"tiny", "other"}[i%2]).Body.Close()
		count[l.hosts.calls[i].Host]++
	}
	if diff := cmp.Diff(map[string]int{"h0": 20, "h1": 20, "h2": 20}, count); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHostsThatCannotServeAreLeftOut(t *testing.T) {
	for name, stop := range map[string]func(*lab){
		"draining": func(l *lab) { l.registry.Put(fleet.Host{ID: "h1", Draining: true}) },
		"away":     func(l *lab) { l.registry.Disconnect("h1", 1, noon(), fleet.HostAway) },
		"stopped":  func(l *lab) { l.registry.Disconnect("h1", 1, noon(), fleet.HostStopped) },
		"failing": func(l *lab) {
			l.registry.Report("h1", 1, noon(), []fleet.Instance{{Name: "default", State: fleet.InstanceFailed, Models: []fleet.HostModel{tiny()}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(&hosts{})
			l.join("h1", tiny())
			l.join("h2", tiny())
			stop(l)
			for range 3 {
				l.ask(t, "tiny").Body.Close()
			}
			if got := l.hosts.reached(); got != "h2 h2 h2" {
				t.Errorf("went to %s", got)
			}
			l.registry.Remove("h2")
			_, err := l.Forward(t.Context(), "tiny", fleet.Call{})
			if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Host {
				t.Errorf("with nobody else: %v (%v, %v), want unavailable on the host's side", err, fault.KindOf(err), fault.SideOf(err))
			}
			l.wantIdle(t)
		})
	}
}

func TestAModelThatNobodyHoldsIsNotFound(t *testing.T) {
	l := newLab(&hosts{})
	l.join("h1", tiny())
	for _, ref := range []string{"absent", "tiny:7b", "tiny@sha256:d2", "m_absent", ""} {
		_, err := l.Forward(t.Context(), ref, fleet.Call{})
		if fault.KindOf(err) != fault.NotFound || fault.SideOf(err) != fault.Caller {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if l.hosts.calls != nil || l.meter.begun != 0 {
		t.Errorf("hosts were called: %v", l.hosts.calls)
	}
}

func TestTheBodyNamesTheModelAsTheHostDoes(t *testing.T) {
	for _, c := range []struct{ ref, body, want string }{
		{"tiny", `{"model":"tiny", "n":1}`, `{"model":"tiny", "n":1}`}, // the same to an Ollama
		{"tiny:latest", `{"model":"tiny:latest"}`, `{"model":"tiny:latest"}`},
		{fleet.ModelID("tiny"), `{"model":"m_x","n":1e3,"deep":{"model":"m_x"}}`, `{"model":"tiny:latest","n":1e3,"deep":{"model":"m_x"}}`},
		{"tiny@sha256:d1", `{"name":"tiny@sha256:d1","model":""}`, `{"model":"","name":"tiny:latest"}`},
		{" tiny", `{}`, `{"model":"tiny:latest"}`},
	} {
		l := newLab(&hosts{})
		l.join("h1", tiny())
		answer, err := l.Forward(t.Context(), c.ref, fleet.Call{Method: "POST", Body: []byte(c.body)})
		if err != nil {
			t.Errorf("%q: %v", c.ref, err)
			continue
		}
		answer.Body.Close()
		if diff := cmp.Diff(c.want, l.hosts.calls[0].Body); diff != "" {
			t.Errorf("%q (-want +got)\n%s", c.ref, diff)
		}
	}
}

func TestABodyThatCannotBeRenamedIsTheCallersFault(t *testing.T) {
	l := newLab(&hosts{})
	l.join("h1", tiny())
	_, err := l.Forward(t.Context(), fleet.ModelID("tiny"), fleet.Call{Body: []byte(`["model"]`)})
	if fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller {
		t.Errorf("error is %v", err)
	}
	if l.hosts.calls != nil {
		t.Error("it was sent all the same")
	}
	l.wantIdle(t)
}

func TestADisputedNameGoesToTheDigestOfMostHosts(t *testing.T) {
	l := newLab(&hosts{})
	l.join("h1", fleet.HostModel{Name: "tiny:latest", Digest: "rare"})
	l.join("h2", tiny())
	l.join("h3", tiny())
	for range 4 {
		defer l.ask(t, "tiny").Body.Close()
	}
	if diff := cmp.Diff("h2 h3 h2 h3", l.hosts.reached()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	answer := l.ask(t, "tiny@sha256:rare")
	answer.Body.Close()
	if answer.Target.HostID != "h1" {
		t.Errorf("the digest that was named went to %s", answer.Target.HostID)
	}
}

func TestEveryWayToEndCountsOnce(t *testing.T) {
	broken := errors.New("broken")
	left := fault.New(fault.Canceled, "the client has left").On(fault.Caller)
	revoked := fault.New(fault.Unauthenticated, "the key was revoked").On(fault.Caller)
	all := len(answered) + 1 // to the end and beyond
	for name, c := range map[string]struct {
		hosts *hosts
		reads int // bytes that are asked for
		how   fleet.Outcome
	}{
		"whole":                           {&hosts{}, all, fleet.Answered},
		"whole by its length":             {&hosts{sized: true}, len(answered), fleet.Answered},
		"given up unread":                 {&hosts{}, 0, fleet.GivenUp},
		"given up half-way":               {&hosts{sized: true}, len(answered) - 1, fleet.GivenUp},
		"given up before its end":         {&hosts{}, len(answered), fleet.GivenUp},
		"given up while waiting for more": {&hosts{read: left}, all, fleet.GivenUp},
		"given up before it began":        {&hosts{err: left}, 0, fleet.GivenUp},
		"revoked":                         {&hosts{read: revoked}, all, fleet.GivenUp},
		"broken off":                      {&hosts{read: broken}, all, fleet.Failed},
		"refused":                         {&hosts{status: 404}, all, fleet.Failed},
		"refused and unread":              {&hosts{status: 500, sized: true}, 0, fleet.Failed},
		"unreachable":                     {&hosts{err: broken}, 0, fleet.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(c.hosts)
			l.join("h1", tiny())
			answer, err := l.Forward(t.Context(), "tiny", fleet.Call{})
			if !errors.Is(err, c.hosts.err) {
				t.Fatalf("error is %v, want %v", err, c.hosts.err)
			}
			want := ending{How: c.how}
			if err == nil {
				l.now = l.now.Add(time.Second)
				want.Took = time.Second
				readAndClose(t, answer, c.reads, l.hosts)
			}
			if diff := cmp.Diff([]ending{want}, l.meter.ended); diff != "" || l.meter.begun != 1 {
				t.Errorf("%d begun, endings (-want +got)\n%s", l.meter.begun, diff)
			}
			l.wantIdle(t)
		})
	}
}

// readAndClose reads so many bytes of an answer, whose end may come before, and
// closes it twice.
func readAndClose(t *testing.T, answer *fleet.Answer, count int, from *hosts) {
	t.Helper()
	var want error
	switch {
	case count <= len(answered): // its end is not seen
	case from.read != nil:
		want = from.read
	default:
		want = io.EOF
	}
	if _, err := io.CopyN(io.Discard, answer.Body, int64(count)); !errors.Is(err, want) {
		t.Errorf("reading ends with %v, want %v", err, want)
	}
	for range 2 {
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if from.body.closed != 1 {
		t.Errorf("the body was closed %d times", from.body.closed)
	}
}
