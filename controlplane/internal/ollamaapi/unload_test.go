package ollamaapi

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

func TestWhatUnloads(t *testing.T) {
	for body, want := range map[string]bool{
		`{"model":"tiny","keep_alive":0}`:                               true,
		`{"model":"tiny","prompt":"","keep_alive":"0s","options":null}`: true,
		`{"model":"tiny","messages":[],"keep_alive":"0"}`:               true,
		`{"model":"tiny","keep_alive":0.0000000001}`:                    true,
		`{"model":"tiny","keep_alive":0.5}`:                             false,
		`{"model":"tiny","keep_alive":-1}`:                              false,
		`{"model":"tiny","keep_alive":"5m"}`:                            false,
		`{"model":"tiny","keep_alive":"soon"}`:                          false,
		`{"model":"tiny","keep_alive":null}`:                            false,
		`{"model":"tiny","keep_alive":[0]}`:                             false,
		`{"model":"tiny"}`:                                              false,
		`{"model":"tiny","prompt":"Hi","keep_alive":0}`:                 false,
		`{"model":"tiny","messages":[{}],"keep_alive":0}`:               false,
		`{"model":"","keep_alive":0}`:                                   false,
		`{"model":5,"keep_alive":0}`:                                    false,
		`{"keep_alive":0`:                                               false,
	} {
		if _, ok := unloads([]byte(body)); ok != want {
			t.Errorf("%s: %v, want %v", body, ok, want)
		}
	}
}

// A model is taken out of memory wherever it may be.
func TestUnloading(t *testing.T) {
	h := newHerd(t, three())
	for _, path := range []string{"/api/generate", "/api/chat"} {
		got := h.server.Do(edge.Infer, "POST", path, `{"model":"Tiny","keep_alive":0}`)
		if got.Status != 200 || got.Body != `{"done_reason":"unload"}` || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		h.wantCalls(`alpha POST `+path+` {"model":"Tiny","keep_alive":0}`, `beta POST `+path+` {"model":"Tiny","keep_alive":0}`)
		if got := h.server.Do(edge.Infer, "POST", path, `{"model":"nope","keep_alive":0}`); got.Status != 404 || got.Body != `{"error":"model 'nope' not found"}` {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		h.takeCalls()
	}
}
