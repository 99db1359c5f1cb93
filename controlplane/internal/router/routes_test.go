package router

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestARouteNeedsAnOllamaThatHasIt(t *testing.T) {
	l := newLab(&hosts{})
	for _, id := range []string{"old", "new"} {
		l.join(id)
	}
	versions := func(old, recent string) {
		l.report("old", fleet.Instance{Models: []fleet.HostModel{tiny()}, Version: old})
		l.report("new", fleet.Instance{Models: []fleet.HostModel{tiny()}, Version: recent})
	}
	call := func(path string) fleet.Call {
		return fleet.Call{Method: "POST", Path: path, Body: []byte(`{"model":"tiny","input":"Why?"}`)}
	}
	versions("0.13.2", "0.17.4")
	for range 3 {
		answer, err := l.Forward(t.Context(), "tiny", call("/v1/responses"))
		if err != nil {
			t.Fatal(err)
		}
		if answer.Target.HostID != "new" {
			t.Error("it went to an Ollama that does not have the route")
		}
		answer.Body.Close()
	}
	versions("0.13.2", "0.13.3")
	_, err := l.Forward(t.Context(), "tiny", call("/v1/messages"))
	if want := `model "tiny" is only on hosts whose Ollama does not have /v1/messages yet, which came with 0.14.0`; fault.KindOf(err) != fault.NotImplemented || fault.MessageOf(err) != want {
		t.Errorf("%v: %v", fault.KindOf(err), err)
	}
	l.ask(t, "tiny").Body.Close() // what all have goes on
	l.wantIdle(t)
}
