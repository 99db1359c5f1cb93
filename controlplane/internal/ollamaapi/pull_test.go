package ollamaapi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// wantLines wants an answer of these lines.
func wantLines(t *testing.T, got relaytest.Result, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(lines, "\n")+"\n", got.Body); diff != "" || got.Status != 200 || got.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d %v, lines (-want +got)\n%s", got.Status, got.Header, diff)
	}
}

// pulls stands in for an Ollama that pulls a model, and has it then.
func (h *herd) pulls(host, name, digest string, pieces ...string) {
	h.instead[host] = func(ctx context.Context, to fleet.Target, call fleet.Call) (*fleet.Answer, error) {
		h.put(host, name, digest)
		return reports(pieces...)(ctx, to, call)
	}
}

func line(s string) string { return s + "\n" }

// A model that nobody has goes to the host that the placement chooses, and what that
// tells is passed on.
func TestAPullThatNobodyNamesAHostFor(t *testing.T) {
	h := newHerd(t, three())
	h.pulls("beta", "new:latest", "n1", line(`{"status":"pulling manifest"}`), line(`{"status":"pulling abc","digest":"sha256:abc","total":10,"completed":4}`),
		line(`{"status":"pulling abc","digest":"sha256:abc","total":10,"completed":10}`), line(`{"status":"success"}`))
	wantLines(t, h.server.Do(edge.Operate, "POST", "/api/pull", `{"name":"New","insecure":true}`),
		`{"status":"pulling manifest"}`,
		`{"status":"pulling abc","digest":"sha256:abc","total":10,"completed":4}`,
		`{"status":"pulling abc","digest":"sha256:abc","total":10,"completed":10}`,
		`{"status":"success"}`)
	h.wantCalls(`beta POST /api/pull {"name":"New","insecure":true}`)
	h.wantListed("hf.co/Acme/Loop:Q4", "new:latest", "other:latest", "tiny:latest")
}

// In a fleet of one, what the catalogue has comes from there, to be had or to make another
// of, and all else is that host's.
func TestAPullInAFleetOfOne(t *testing.T) {
	h := newHerd(t, map[string]map[string]string{"beta": {}})
	h.instead["beta"] = reports(progress)
	h.stock.set(fleet.StoredModel{Name: "mine:latest", Files: []fleet.ModelFile{{SHA256: "0123456789abcdef", SizeBytes: 10}}})
	go func() {
		<-h.stock.begun
		h.stock.arrive("beta", "mine:latest", "m1")
	}()
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"Mine","stream":false}`); got.Status != 200 || got.Body != `{"status":"success"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.wantCalls()
	h.stock.set(fleet.StoredModel{Name: "base:latest", Files: []fleet.ModelFile{{SHA256: "0123456789abcdef", SizeBytes: 10}}})
	go func() {
		<-h.stock.begun
		h.stock.arrive("beta", "base:latest", "m2")
	}()
	h.pulls("beta", "made:latest", "m3", progress)
	if got := h.server.Do(edge.Operate, "POST", "/api/create", `{"model":"made","from":"base","stream":false}`); got.Status != 200 || got.Body != `{"status":"success"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.wantCalls(`beta POST /api/create {"model":"made","from":"base","stream":false}`)
	h.instead["beta"] = reports(progress)
	for target, body := range map[string]string{"/api/pull": `{"model":"other"}`, "/api/pull?host=beta": `{"model":"mine"}`} {
		if got := h.server.Do(edge.Operate, "POST", target, body); got.Status != 200 || got.Body != progress {
			t.Errorf("%s %s: %d %s", target, body, got.Status, got.Body)
		}
		h.wantCalls("beta POST /api/pull " + body)
	}
	h.registry.Disconnect("h_beta", 1, time.Now(), fleet.HostAway)
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"mine"}`); got.Status != 503 || !strings.Contains(got.Body, "no host is connected") {
		t.Errorf("without a host: %d %s", got.Status, got.Body)
	}
}

// The hosts that have a model get the newer one, all of them, and one progress tells of
// all.
func TestAPullOfWhatSeveralHostsHave(t *testing.T) {
	h := newHerd(t, three())
	turn := map[string]chan string{"alpha": make(chan string), "beta": make(chan string)}
	for host, lines := range turn {
		h.instead[host] = func(_ context.Context, to fleet.Target, _ fleet.Call) (*fleet.Answer, error) {
			h.put(host, "tiny:latest", "d3")
			return relaytest.Stream("application/x-ndjson", nil, <-lines, <-lines, <-lines), nil
		}
	}
	go func() {
		for _, host := range []string{"alpha", "beta"} {
			turn[host] <- line(`{"status":"pulling manifest"}`)
			turn[host] <- line(`{"status":"pulling abc","digest":"sha256:abc","total":10,"completed":10}`)
			turn[host] <- line(`{"status":"writing manifest"}`) + line(`{"status":"success"}`)
		}
	}()
	got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny"}`)
	if got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	var said []string
	var completed int64
	for text := range strings.Lines(got.Body) {
		var r report
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.Digest == "" {
			said = append(said, r.Status)
			continue
		}
		if r.Total != 20 || r.Completed <= completed {
			t.Errorf("%+v after %d", r, completed)
		}
		completed = r.Completed
	}
	if diff := cmp.Diff([]string{"pulling manifest", "writing manifest", "success"}, said); diff != "" || completed != 20 {
		t.Errorf("%d bytes, statuses (-want +got)\n%s", completed, diff)
	}
	h.wantCalls(`alpha POST /api/pull {"model":"tiny"}`, `beta POST /api/pull {"model":"tiny"}`)
}

func TestPullsThatFail(t *testing.T) {
	h := newHerd(t, three())
	const nothing = `{"error":"pull model manifest: file does not exist"}`
	manifest := line(`{"status":"pulling manifest"}`)
	h.instead["alpha"], h.instead["beta"] = reports(manifest, line(nothing)), reports(manifest, line(nothing))
	wantLines(t, h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny"}`), `{"status":"pulling manifest"}`, nothing)
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny","stream":false}`); got.Status != 500 || got.Body != nothing || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("in one answer: %d %v %s", got.Status, got.Header, got.Body)
	}
	h.pulls("alpha", "tiny:latest", "d3", manifest, line(`{"status":"success"}`))
	wantLines(t, h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny"}`), `{"status":"pulling manifest"}`,
		`{"error":"pulling model \"tiny\" failed on host \"beta\" (pull model manifest: file does not exist); it is done on one other"}`)
	h.pulls("beta", "tiny:latest", "d4", manifest, line(`{"status":"success"}`))
	wantLines(t, h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny"}`), `{"status":"pulling manifest"}`,
		`{"error":"hosts have different models under the name \"tiny\" now: \"alpha\" has d3, \"beta\" has d4"}`)
	h.instead["beta"] = reports(manifest)
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny"}`); !strings.Contains(got.Body, `failed on host \"beta\" (the answer broke off before its end); it is done on one other`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.instead["beta"] = func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
		return relaytest.Answer(400, "application/json", `{"error":"invalid model name"}`), nil
	}
	h.instead["alpha"] = h.instead["beta"]
	if got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"tiny"}`); got.Status != 400 || got.Body != `{"error":"invalid model name"}` {
		t.Errorf("refused by all: %d %s", got.Status, got.Body)
	}
	for body, want := range map[string]string{
		``: `{"error":"missing request body"}`, `{"model":"a b"}`: `{"error":"invalid model name"}`, `{}`: `{"error":"invalid model name"}`,
		`{"model":1}`: `{"error":"json: cannot unmarshal number into Go struct field PullRequest.model of type string"}`,
	} {
		if got := h.server.Do(edge.Operate, "POST", "/api/pull", body); got.Status != 400 || got.Body != want {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
}

// A model of the catalogue comes from there.
func TestAPullOfWhatTheCatalogueHas(t *testing.T) {
	h := newHerd(t, three())
	h.stock.set(fleet.StoredModel{Name: "mine:latest", Files: []fleet.ModelFile{{SHA256: "0123456789abcdef", SizeBytes: 10}}})
	h.stock.wanted["mine:latest"] = []string{"h_alpha", "h_gamma"}
	go func() {
		alpha, gamma := <-h.stock.begun, <-h.stock.begun
		alpha.Progress("fetching", 4, 10, "")
		gamma.Progress("fetching", 10, 10, "")
		gamma.Progress("checking", 10, 10, "")
		h.stock.arrive("gamma", "mine:latest", "m1")
		gamma.End(nil)
		alpha.Progress("fetching", 10, 10, "")
		h.stock.arrive("alpha", "mine:latest", "m1")
	}()
	got := h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"mine"}`)
	lines := strings.Split(strings.TrimSpace(got.Body), "\n")
	if got.Status != 200 || lines[0] != `{"status":"pulling manifest"}` || lines[len(lines)-1] != `{"status":"success"}` ||
		!strings.Contains(got.Body, `{"status":"pulling 0123456789ab","digest":"sha256:0123456789abcdef","total":20,"completed":`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.wantCalls()

	h.stock.wanted = map[string][]string{}
	go func() {
		(<-h.stock.begun).End(fault.New(fault.NoSpace, "its disk is full"))
	}()
	got = h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"mine"}`)
	if !strings.HasSuffix(got.Body, line(`{"error":"host \"beta\": its disk is full"}`)) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	go func() { (<-h.stock.begun).End(operations.ErrCancelled) }()
	got = h.server.Do(edge.Operate, "POST", "/api/pull", `{"model":"mine","stream":false}`)
	if got.Status != 500 || got.Body != `{"error":"host \"beta\": somebody cancelled it"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// A push goes to a host that has the model, wherever that is.
func TestAPushThatNobodyNamesAHostFor(t *testing.T) {
	h := newHerd(t, three())
	// What the command line asks before it pushes to ollama.com.
	if got := h.server.Do(edge.Operate, "POST", "/api/me", ""); got.Status != 501 || !strings.Contains(got.Body, "on a host itself") {
		t.Errorf("whose account it is: %d %s", got.Status, got.Body)
	}
	h.wantCalls()
	for name := range three() {
		h.instead[name] = reports(progress)
	}
	for model, host := range map[string]string{"other": "gamma", "Tiny:latest": "alpha", "nope": "alpha"} {
		body := `{"model":"` + model + `"}`
		got := h.server.Do(edge.Operate, "POST", "/api/push", body)
		if got.Status != 200 || got.Body != progress || got.Header.Get("Corral-Host") != host {
			t.Errorf("%s: %d %v %s", model, got.Status, got.Header, got.Body)
		}
		h.wantCalls(host + " POST /api/push " + body)
	}
	for body, want := range map[string]string{``: `{"error":"missing request body"}`, `{}`: `{"error":"model is required"}`} {
		if got := h.server.Do(edge.Operate, "POST", "/api/push", body); got.Status != 400 || got.Body != want {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
}
