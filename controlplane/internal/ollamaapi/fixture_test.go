package ollamaapi

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// herd is a fleet of stand-ins for Ollamas that copy and delete models as the
// real one does, and of which a registry hears a little later.
type herd struct {
	t        *testing.T
	registry *fleet.Registry
	api      *API
	server   *relaytest.Server
	stock    *stock
	reports  sync.WaitGroup

	mu     sync.Mutex
	models map[string]map[string]string // by host, then name: the digest
	calls  []string                     // host, method, path and body, in the order of the hosts' names
	// instead answers for a host in place of its stand-in, where it is not nil.
	instead map[string]relaytest.Call
}

func newHerd(t *testing.T, models map[string]map[string]string) *herd {
	t.Helper()
	h := &herd{t: t, models: models, instead: map[string]relaytest.Call{}}
	var hosts []fleet.Host
	for name := range models {
		hosts = append(hosts, fleet.Host{ID: "h_" + name, Name: name})
	}
	h.registry = fleet.NewRegistry(hosts)
	for name := range models {
		h.registry.Connect("h_"+name, 1, time.Now(), 0)
		h.report(name)
	}
	h.stock = newStock(h)
	h.api = New(Options{
		View: h.registry, Calls: relaytest.Call(h.call), Catalogue: h.stock, Operations: h.stock.operations, Blobs: h.stock.blobs, Maker: h.stock,
		Relay: relay.New(relaytest.Forward(relaytest.NoModels), nil, hclog.NewNullLogger()),
	})
	h.server = relaytest.Serve(t, append(h.api.Routes(), edge.Route{
		Method: "POST", Path: "/api/chat", Permission: edge.Infer, Watch: true, MaxBodyBytes: relay.MaxBodyBytes, Handler: h.api.Chat(),
	}))
	t.Cleanup(h.reports.Wait)
	return h
}

// report tells the registry what a host has.
func (h *herd) report(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	instance := fleet.Instance{Name: "default", State: fleet.InstanceReady, ModelsKnown: true}
	for _, name := range slices.Sorted(maps.Keys(h.models[host])) {
		instance.Models = append(instance.Models, fleet.HostModel{Name: name, Digest: h.models[host][name]})
	}
	h.registry.Report("h_"+host, 1, time.Now(), []fleet.Instance{instance})
}

func (h *herd) call(ctx context.Context, to fleet.Target, call fleet.Call) (*fleet.Answer, error) {
	body := string(call.Body)
	if call.Stream != nil {
		read, err := io.ReadAll(call.Stream)
		if err != nil {
			return nil, err
		}
		body = string(read)
	}
	h.mu.Lock()
	if call.Path != "/api/tags" {
		h.calls = append(h.calls, to.Host+" "+call.Method+" "+call.Path+" "+body)
	}
	instead := h.instead[to.Host]
	h.mu.Unlock()
	if instead != nil && call.Path != "/api/tags" {
		return instead(ctx, to, call)
	}
	if call.Path == "/api/tags" {
		return relaytest.Answer(200, "application/json", h.tags(to.Host)), nil
	}
	var asked struct{ Model, Name, Source, Destination string }
	if err := json.Unmarshal([]byte(body), &asked); err != nil {
		h.t.Errorf("%s got %q: %v", to.Host, body, err)
	}
	if !h.change(to.Host, call.Path, asked.Source, asked.Destination, asked.Model+asked.Name) {
		return relaytest.Answer(404, "application/json; charset=utf-8", `{"error":"not here"}`), nil
	}
	h.reports.Go(func() { h.report(to.Host) })
	answer := relaytest.Answer(200, "application/json; charset=utf-8", "")
	if call.Path != "/api/copy" && call.Path != "/api/delete" {
		answer = relaytest.Answer(200, "application/json; charset=utf-8", `{"done_reason":"unload"}`)
	}
	answer.Target = to
	return answer, nil
}

// change does what a call asks for, and reports whether the model was there.
func (h *herd) change(host, path, source, destination, model string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	has := h.models[host]
	for name, digest := range has {
		switch {
		case path == "/api/copy" && fleet.SameModel(name, source):
			has[fleet.ShownModel(destination)] = digest
			return true
		case path == "/api/delete" && fleet.SameModel(name, model):
			delete(has, name)
			return true
		case path != "/api/copy" && path != "/api/delete" && fleet.SameModel(name, model):
			return true
		}
	}
	return false
}

// takeCalls returns the calls since it was last asked, sorted.
func (h *herd) takeCalls() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := slices.Sorted(slices.Values(h.calls))
	h.calls = nil
	return calls
}

// listed returns the names in the list of models.
func (h *herd) listed() []string {
	h.t.Helper()
	var list modelList
	got := h.server.Do(edge.Read, "GET", "/api/tags", "")
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil {
		h.t.Fatalf("%d %s: %v", got.Status, got.Body, err)
	}
	var names []string
	for _, m := range list.Models {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}
