package router

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestADecisionIsExplained(t *testing.T) {
	l := newLab(&hosts{})
	l.join("cold", tiny())
	l.report("cold", fleet.Instance{Models: []fleet.HostModel{tiny()}, Loaded: []fleet.LoadedModel{{Name: "other:latest"}}})
	l.warm("warm")
	l.join("gone", tiny())
	l.registry.Disconnect("gone", 1, noon(), fleet.HostAway)
	answer, err := l.Forward(t.Context(), "tiny", fleet.Call{Path: "/api/chat", Body: []byte(short)})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	d, err := l.Decision(answer.Decision)
	if err != nil {
		t.Fatal(err)
	}
	limit := 100
	want := fleet.Decision{
		ID: answer.Decision, At: noon(), Model: "tiny", Digest: "d1", Path: "/api/chat",
		PromptBytes: 32, MaxTokens: &limit, Streams: true, HostID: "warm", Host: "name of warm", Instance: "default",
		Considered: 3,
	}
	got := d
	got.Candidates = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var said []string
	for _, c := range d.Candidates {
		said = append(said, fmt.Sprintf("%s %t: %s", c.HostID, c.Chosen, c.Why))
	}
	if diff := cmp.Diff([]string{
		"warm true: expected to be done first",
		"cold false: would have to load the model",
		"gone false: cannot serve now: its host is away or draining, or its Ollama is not ready",
	}, said); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p := d.Candidates[1].Price
	if p == nil || p.LoadSeconds != usualLoad || p.GenerationSeconds != 100/usualGenerate || p.TotalSeconds != p.LoadSeconds+p.PromptSeconds+p.GenerationSeconds {
		t.Errorf("the price is %+v", p)
	}
	if d.Candidates[2].Price != nil {
		t.Errorf("who cannot serve has a price: %+v", d.Candidates[2].Price)
	}
}

func TestAnErrorTellsItsDecision(t *testing.T) {
	broken := fault.New(fault.Unavailable, "the host could not be reached").On(fault.Host)
	l := newLab(&hosts{err: broken})
	l.warm("h1")
	_, err := l.Forward(t.Context(), "tiny", fleet.Call{Path: "/api/chat", Body: []byte(short)})
	decided, ok := errors.AsType[*fleet.DecidedError](err)
	if !ok || !errors.Is(err, broken) || fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Host {
		t.Fatalf("the error is %v", err)
	}
	if _, err := l.Decision(decided.Decision); err != nil {
		t.Error(err)
	}
}

func TestOldDecisionsGo(t *testing.T) {
	l := newLab(&hosts{})
	for i := range 40 {
		l.warm(fmt.Sprintf("h%d", i))
	}
	first := l.ask(t, "tiny")
	first.Body.Close()
	d, err := l.Decision(first.Decision)
	if err != nil || len(d.Candidates) != keptOffers || d.Considered != 40 || !d.Candidates[0].Chosen {
		t.Fatalf("%d candidates of %d are kept, the first %+v: %v", len(d.Candidates), d.Considered, d.Candidates[0], err)
	}
	for range keptDecisions {
		l.ask(t, "tiny").Body.Close()
	}
	for _, id := range []string{first.Decision, "", "x", "r-1", l.decisions.epoch, l.decisions.epoch + "-0", l.decisions.id(1 << 60)} {
		if _, err := l.Decision(id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	if len(l.decisions.ring) != keptDecisions {
		t.Errorf("%d records are kept", len(l.decisions.ring))
	}
}
