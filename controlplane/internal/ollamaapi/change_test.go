package ollamaapi

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// three returns hosts that disagree about the digest of one model.
func three() map[string]map[string]string {
	return map[string]map[string]string{
		"alpha": {"tiny:latest": "d1", "hf.co/Acme/Loop:Q4": "d5"},
		"beta":  {"tiny:latest": "d2"},
		"gamma": {"other:latest": "d9"},
	}
}

// do sends a change and wants an empty answer of the status 200.
func (h *herd) do(method, target, body string, header ...string) {
	h.t.Helper()
	got := h.server.Do(edge.Operate, method, target, body, header...)
	if got.Status != 200 || got.Body != "" || got.Err != nil {
		h.t.Errorf("%s %s %s: %d %s %v", method, target, body, got.Status, got.Body, got.Err)
	}
}

func (h *herd) wantCalls(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.takeCalls()); diff != "" {
		h.t.Errorf("calls (-want +got)\n%s", diff)
	}
}

func (h *herd) wantListed(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.listed()); diff != "" {
		h.t.Errorf("models (-want +got)\n%s", diff)
	}
}

// A change is made wherever the model is, and the next list shows it.
func TestChangesAreMadeEverywhere(t *testing.T) {
	h := newHerd(t, three())
	h.do("POST", "/api/copy", `{"source":"Tiny","destination":"copy"}`)
	h.wantCalls(`alpha POST /api/copy {"source":"Tiny","destination":"copy"}`, `beta POST /api/copy {"source":"Tiny","destination":"copy"}`)
	h.wantListed("copy:latest", "hf.co/Acme/Loop:Q4", "other:latest", "tiny:latest")
	h.do("DELETE", "/api/delete", `{"name":"library/tiny"}`)
	h.wantCalls(`alpha DELETE /api/delete {"name":"library/tiny"}`, `beta DELETE /api/delete {"name":"library/tiny"}`)
	h.wantListed("copy:latest", "hf.co/Acme/Loop:Q4", "other:latest")
}

// An alias is another name of its model, but for what gives names and takes them away.
func TestAliases(t *testing.T) {
	h := newHerd(t, three())
	h.registry.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "Prod:latest", Model: "other:latest"}})
	h.wantListed("Prod:latest", "hf.co/Acme/Loop:Q4", "other:latest", "tiny:latest")
	h.do("POST", "/api/copy", `{"source":"prod","destination":"copy"}`)
	h.wantCalls(`gamma POST /api/copy {"destination":"copy","source":"other:latest"}`)
	got := h.server.Do(edge.Infer, "POST", "/api/generate", `{"model":"prod","keep_alive":0}`)
	h.wantCalls(`gamma POST /api/generate {"keep_alive":0,"model":"other:latest"}`)
	if got.Status != 200 {
		t.Errorf("unloading: %d %s", got.Status, got.Body)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/copy", `{"source":"tiny","destination":"prod"}`},
		{"DELETE", "/api/delete", `{"model":"prod"}`},
	} {
		if got := h.server.Do(edge.Operate, c.method, c.path, c.body); got.Status != 409 || !strings.Contains(got.Body, "alias of the model") {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.Status, got.Body)
		}
	}
	h.wantCalls()
	h.registry.Prefer(nil, fleet.Aliases{"tiny:latest": {Name: "tiny:latest", Model: "other:latest"}})
	h.do("DELETE", "/api/delete", `{"model":"tiny"}`) // what hosts have under it by themselves
	h.wantCalls(`alpha DELETE /api/delete {"model":"tiny"}`, `beta DELETE /api/delete {"model":"tiny"}`)
}

// Hosts are no longer to have a model of the catalogue that somebody deletes there: those
// that are meant, of which some have let go of it before they are asked.
func TestDeletingTakesBackWhatIsWanted(t *testing.T) {
	wanted := func(h *herd, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, h.stock.WantedOn("tiny"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("wanted (-want +got)\n%s", diff)
		}
	}
	h := newHerd(t, three())
	h.stock.wanted["tiny:latest"] = []string{"h_alpha", "h_gamma"}
	h.do("DELETE", "/api/delete?host=alpha", `{"model":"tiny"}`)
	wanted(h, "h_gamma")
	h.wantListed("hf.co/Acme/Loop:Q4", "other:latest", "tiny:latest") // beta has it by itself
	h.stock.wanted["tiny:latest"] = []string{"h_beta", "h_gamma"}
	h.do("DELETE", "/api/delete", `{"model":"tiny@sha256:d2"}`)
	wanted(h, "h_gamma")
	h.put("alpha", "tiny:latest", "d1")
	h.do("DELETE", "/api/delete", `{"model":"tiny"}`)
	wanted(h)
	h.wantListed("hf.co/Acme/Loop:Q4", "other:latest")
}

// A digest, an id or a named host narrows it down.
func TestChangesAreMadeWhereTheyAreMeant(t *testing.T) {
	h := newHerd(t, three())
	h.do("POST", "/api/copy", `{"source":"tiny@sha256:d2","destination":"two","x":1}`)
	h.wantCalls(`beta POST /api/copy {"destination":"two","source":"tiny:latest","x":1}`)
	h.do("POST", "/api/copy", `{"source":"`+fleet.ModelID("hf.co/acme/loop:q4")+`","destination":"loop"}`)
	h.wantCalls(`alpha POST /api/copy {"destination":"loop","source":"hf.co/Acme/Loop:Q4"}`)
	h.do("DELETE", "/api/delete?host=alpha", `{"model":"tiny"}`)
	h.wantCalls(`alpha DELETE /api/delete {"model":"tiny"}`)
	h.wantListed("hf.co/Acme/Loop:Q4", "loop:latest", "other:latest", "tiny:latest", "two:latest")
	h.do("DELETE", "/api/delete", `{"model":"tiny"}`, TargetField+": b%65ta")
	h.wantCalls(`beta DELETE /api/delete {"model":"tiny"}`)
	h.wantListed("hf.co/Acme/Loop:Q4", "loop:latest", "other:latest", "two:latest")
}

// What the real one answers to these, word by word.
func TestChangesThatAreRefused(t *testing.T) {
	h := newHerd(t, three())
	f := func(method, target, body string, status int, want string) {
		t.Helper()
		got := h.server.Do(edge.Operate, method, target, body)
		if got.Status != status || got.Body != `{"error":`+want+`}` || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s %s %s: %d %s, want %d %s", method, target, body, got.Status, got.Body, status, want)
		}
	}
	for _, r := range [][3]string{{"POST", "/api/copy", "Copy"}, {"DELETE", "/api/delete", "Delete"}} {
		f(r[0], r[1], "", 400, `"missing request body"`)
		f(r[0], r[1], "{bad", 400, `"invalid character 'b' looking for beginning of object key string"`)
		f(r[0], r[1], "[]", 400, `"json: cannot unmarshal array into Go value of type api.`+r[2]+`Request"`)
	}
	f("POST", "/api/copy", `{"source":1}`, 400, `"json: cannot unmarshal number into Go struct field CopyRequest.source of type string"`)
	f("POST", "/api/copy", `{"source":"nope","destination":"x"}`, 404, `"model \"nope\" not found"`)
	f("POST", "/api/copy", `{"source":"a b","destination":"x"}`, 400, `"source \"a b\" is invalid"`)
	f("POST", "/api/copy", `{"source":"tiny","destination":""}`, 400, `"destination \"\" is invalid"`)
	f("DELETE", "/api/delete", `{"model":"nope"}`, 404, `"model 'nope' not found"`)
	f("DELETE", "/api/delete", `{"model":"tiny@sha256:d9"}`, 404, `"model 'tiny@sha256:d9' not found"`)
	f("DELETE", "/api/delete", `{"model":"a b@sha256:d9"}`, 400, `"name \"a b@sha256:d9\" is invalid"`)
	f("DELETE", "/api/delete", `{}`, 400, `"name \"\" is invalid"`)
	f("DELETE", "/api/delete?host=gamma", `{"model":"tiny"}`, 404, `"model 'tiny' not found"`)
	f("DELETE", "/api/delete?host=nobody", `{"model":"tiny"}`, 404, `"there is no host \"nobody\""`)
	h.registry.Disconnect("h_gamma", 1, time.Now(), fleet.HostAway)
	f("DELETE", "/api/delete?host=gamma", `{"model":"other"}`, 503, `"host \"gamma\" is not connected"`)
	f("DELETE", "/api/delete", `{"model":"other"}`, 404, `"model 'other' not found"`)
	h.wantCalls()
}

// Where some hosts fail they are named, and what the others did stays done.
func TestAChangeThatFailsInPart(t *testing.T) {
	h := newHerd(t, three())
	h.api.callLimit = 20 * time.Millisecond
	failing := map[string]relaytest.Call{
		`"beta" (the host could not be reached)`: relaytest.NoHosts(),
		`"beta" (disk full)`: func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
			return relaytest.Answer(500, "application/json", `{"error":"disk full"}`), nil
		},
		`"beta" (its Ollama answered with status 500)`: func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
			return relaytest.Answer(500, "text/plain", ""), nil
		},
		`"beta" (it did not answer within 20ms)`: func(ctx context.Context, _ fleet.Target, _ fleet.Call) (*fleet.Answer, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
	}
	for reason, call := range failing {
		h.instead["beta"] = call
		got := h.server.Do(edge.Operate, "POST", "/api/copy", `{"source":"tiny","destination":"copy"}`)
		want := `copying model "tiny" to "copy" failed on host ` + reason + `; it is done on one other`
		if got.Status != 503 || got.Body != `{"error":"`+strings.ReplaceAll(want, `"`, `\"`)+`"}` {
			t.Errorf("%d %s, want %s", got.Status, got.Body, want)
		}
	}
	h.wantListed("copy:latest", "hf.co/Acme/Loop:Q4", "other:latest", "tiny:latest")
}

// What one host no longer has it need not give up; what none has is not found.
func TestAChangeThatIsLate(t *testing.T) {
	h := newHerd(t, three())
	h.mu.Lock()
	delete(h.models["beta"], "tiny:latest") // and nobody has told
	h.mu.Unlock()
	h.do("DELETE", "/api/delete", `{"model":"tiny"}`)
	h.report("beta")
	h.wantListed("hf.co/Acme/Loop:Q4", "other:latest")

	h.mu.Lock()
	delete(h.models["gamma"], "other:latest")
	h.mu.Unlock()
	if got := h.server.Do(edge.Operate, "DELETE", "/api/delete", `{"model":"other"}`); got.Status != 404 || got.Body != `{"error":"not here"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Where all refuse in the same words, the words are theirs.
func TestARefusalByAll(t *testing.T) {
	h := newHerd(t, three())
	for _, name := range []string{"alpha", "beta"} {
		h.instead[name] = func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
			return relaytest.Answer(400, "application/json; charset=utf-8", `{"error":"no"}`), nil
		}
	}
	if got := h.server.Do(edge.Operate, "DELETE", "/api/delete", `{"model":"tiny"}`); got.Status != 400 || got.Body != `{"error":"no"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// An agent that never tells of the change does not hold the answer up for ever.
func TestAChangeThatIsNeverTold(t *testing.T) {
	h := newHerd(t, three())
	h.api.settleLimit = time.Millisecond
	h.instead["gamma"] = func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
		return relaytest.Answer(200, "", ""), nil
	}
	h.do("DELETE", "/api/delete", `{"model":"other"}`)
}
