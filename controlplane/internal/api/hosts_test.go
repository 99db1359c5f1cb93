package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

func hostOf(t *testing.T, body string) fleet.HostView {
	t.Helper()
	var v fleet.HostView
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// stored returns a host as the next start will find it.
func (f *fixture) stored(t *testing.T, id string) *fleet.Host {
	t.Helper()
	hosts, err := f.db.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if h.ID == id {
			return &h
		}
	}
	return nil
}

func TestHosts(t *testing.T) {
	f := start(t, relaytest.NoModels)
	got := f.Do(edge.Read, "GET", "/api/hosts", "")
	var hosts []map[string]any
	if err := json.Unmarshal([]byte(got.Body), &hosts); err != nil || len(hosts) != 2 {
		t.Fatalf("%v: %s", err, got.Body)
	}
	if diff := cmp.Diff([]any{"alpha", "online", "beta", "away"}, []any{hosts[0]["name"], hosts[0]["state"], hosts[1]["name"], hosts[1]["state"]}); diff != "" {
		t.Error(diff)
	}
	for _, list := range []any{hosts[0]["problems"], hosts[1]["problems"], hosts[1]["instances"]} {
		if diff := cmp.Diff([]any{}, list); diff != "" {
			t.Errorf("a list without entries: %s", diff)
		}
	}
	for _, ref := range []string{"h1", "alpha"} {
		if got := f.Do(edge.Read, "GET", "/api/hosts/"+ref, ""); got.Status != 200 || hostOf(t, got.Body).ID != "h1" {
			t.Errorf("%s: %d %s", ref, got.Status, got.Body)
		}
	}
}

func TestUnknownHosts(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for path, method := range map[string]string{
		"/api/hosts/nope": "GET", "/api/hosts/nope/logs": "GET", "/api/hosts/nope/drain": "POST", "/api/hosts/nope/undrain": "POST", "/api/hosts/nope/approve": "POST",
		"/api/hosts/nope/ollama/default/restart": "POST", "/api/history?host=nope": "GET",
	} {
		if got := f.Do(edge.Operate, method, path, ""); got.Status != 404 || got.Body != errorOf(fault.NotFound, `there is no host \"nope\"`) {
			t.Errorf("%s %s: %d %s", method, path, got.Status, got.Body)
		}
	}
	for method, body := range map[string]string{"DELETE": "", "PATCH": "{}"} {
		if got := f.Do(edge.Operate, method, "/api/hosts/nope", body); got.Status != 404 {
			t.Errorf("%s: %d %s", method, got.Status, got.Body)
		}
	}
}

func TestDrain(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for action, want := range map[string]bool{"drain": true, "undrain": false} {
		for range 2 { // again is no fault
			got := f.Do(edge.Operate, "POST", "/api/hosts/alpha/"+action, "")
			if got.Status != 200 || hostOf(t, got.Body).Draining != want {
				t.Errorf("%s: %d %s", action, got.Status, got.Body)
			}
		}
		if f.stored(t, "h1").Draining != want {
			t.Errorf("%s is not stored", action)
		}
	}
}

func TestApprove(t *testing.T) {
	f := start(t, relaytest.NoModels)
	waiting := f.stored(t, "h1")
	waiting.Pending = true
	if err := f.db.SaveHost(t.Context(), *waiting); err != nil {
		t.Fatal(err)
	}
	f.registry.Put(*waiting)
	for range 2 { // again is no fault
		got := f.Do(edge.Operate, "POST", "/api/hosts/alpha/approve", "")
		if got.Status != 200 || hostOf(t, got.Body).Pending {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	if f.stored(t, "h1").Pending {
		t.Error("that it was approved is not stored")
	}
}

func TestChangeHost(t *testing.T) {
	f := start(t, relaytest.NoModels)
	got := f.Do(edge.Operate, "PATCH", "/api/hosts/h1", `{"name":"rack 7","labels":{"zone":"a"},"extra":1}`)
	if v := hostOf(t, got.Body); got.Status != 200 || v.Name != "rack 7" || v.Labels["zone"] != "a" || v.State != fleet.HostOnline {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if h := f.stored(t, "h1"); h.Name != "rack 7" || h.Labels["zone"] != "a" || len(h.PublicKey) == 0 {
		t.Errorf("stored: %+v", h)
	}
	got = f.Do(edge.Operate, "PATCH", "/api/hosts/h1", `{"labels":{}}`)
	if v := hostOf(t, got.Body); v.Name != "rack 7" || len(v.Labels) != 0 {
		t.Errorf("labels taken away: %s", got.Body)
	}
	if got := f.Do(edge.Operate, "PATCH", "/api/hosts/h1", `{"name":"beta"}`); got.Status != 409 {
		t.Errorf("a name that is taken: %d %s", got.Status, got.Body)
	}
	for body, field := range map[string]string{
		`{"name":5}`: "name", `{"name":""}`: "name", `{"name":" x"}`: "name", `{"name":"a\nb"}`: "name",
		`{"name":"` + strings.Repeat("x", 65) + `"}`: "name",
		`{"labels":[]}`: "labels", `{"labels":{"a b":"c"}}`: "labels", `{"labels":{"":"c"}}`: "labels", `{"labels":{"a":"\u0007"}}`: "labels",
		`{"labels":{"a":5}}`: "labels",
	} {
		if got := f.Do(edge.Operate, "PATCH", "/api/hosts/h1", body); got.Status != 400 || !strings.Contains(got.Body, `the field \"`+field) {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	if h := f.stored(t, "h1"); h.Name != "rack 7" {
		t.Errorf("a refused change was stored: %+v", h)
	}
}

func TestRemoveHost(t *testing.T) {
	f := start(t, relaytest.NoModels)
	if got := f.Do(edge.Operate, "DELETE", "/api/hosts/alpha", ""); got.Status != 200 || hostOf(t, got.Body).ID != "h1" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if f.stored(t, "h1") != nil {
		t.Error("the host is still stored")
	}
	if diff := cmp.Diff([]string{"h1"}, f.link.forgotten); diff != "" {
		t.Errorf("forgotten: %s", diff)
	}
	if got := f.Do(edge.Operate, "DELETE", "/api/hosts/alpha", ""); got.Status != 404 {
		t.Errorf("again: %d", got.Status)
	}
}

func TestRestart(t *testing.T) {
	f := start(t, relaytest.NoModels)
	path := "/api/hosts/alpha/ollama/default/restart"
	if got := f.Do(edge.Operate, "POST", path, ""); got.Status != 200 || hostOf(t, got.Body).ID != "h1" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if diff := cmp.Diff([]string{"h1 default"}, f.link.restarted); diff != "" {
		t.Error(diff)
	}
	f.link.err = fault.New(fault.Conflict, "this Ollama is not ours to restart").On(fault.Host)
	if got := f.Do(edge.Operate, "POST", path, ""); got.Status != 409 || !strings.Contains(got.Body, "not ours") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "POST", "/api/hosts/alpha/ollama/gpu1/restart", ""); got.Status != 404 {
		t.Errorf("an unknown instance: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "POST", "/api/hosts/beta/ollama/default/restart", ""); got.Status != 503 || !strings.Contains(got.Body, "is away") {
		t.Errorf("a host that is away: %d %s", got.Status, got.Body)
	}
}

func TestLogs(t *testing.T) {
	f := start(t, relaytest.NoModels)
	ask := func(query string) relaytest.Result {
		f.link.log = relaytest.Stream("text/plain", nil, "one\n", "two\n")
		return f.Do(edge.Operate, "GET", "/api/hosts/alpha/logs"+query, "")
	}
	for query, asked := range map[string]string{
		"": "h1 default 200ns", "?lines=5&instance=default": "h1 default 5ns", "?follow=true&lines=1": "h1 default 1ns follow", "?follow=0": "h1 default 200ns",
	} {
		got := ask(query)
		if got.Status != 200 || got.Body != "one\ntwo\n" || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" || f.link.asked != asked {
			t.Errorf("%s: %d %q, asked for %q", query, got.Status, got.Body, f.link.asked)
		}
	}
	for query, status := range map[string]int{"?lines=0": 400, "?lines=x": 400, "?lines=10001": 400, "?follow=yes": 400, "?instance=gpu1": 404} {
		if got := ask(query); got.Status != status {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
	f.link.log = relaytest.Answer(500, "text/plain", "x")
	if got := f.Do(edge.Operate, "GET", "/api/hosts/alpha/logs", ""); got.Status != 503 {
		t.Errorf("an agent that fails: %d %s", got.Status, got.Body)
	}
	f.link.err = fault.New(fault.Unavailable, "the host could not be reached").On(fault.Host)
	if got := f.Do(edge.Operate, "GET", "/api/hosts/alpha/logs", ""); got.Status != 503 || !strings.Contains(got.Body, "could not be reached") {
		t.Errorf("an agent that is gone: %d %s", got.Status, got.Body)
	}
}
