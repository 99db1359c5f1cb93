package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
)

// endless is a question to a model that does not stop by itself.
func endless() object {
	return object{"model": corraltest.Endless, "messages": []object{{"role": "user", "content": "Go on."}}, "options": object{"num_predict": -1}}
}

// TestRevokedKey revokes a key while an answer streams to its owner.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	// Two models have two runners: one whose reader leaves may take its other
	// readers along.
	server.Create("cut:latest", corraltest.EndlessModel())
	uncut := corraltest.EndlessModel()
	uncut.Seed = 1
	server.Create(corraltest.Endless, uncut)
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Plain: true, Ollama: server.URL}).AwaitModel(serveLimit, corraltest.Endless)

	revoked, other := controlplane.NewKey(corraltest.Inference), controlplane.Key(corraltest.Inference)
	streams := map[string]*corraltest.Stream{}
	cut := endless()
	cut["model"] = "cut:latest"
	for name, c := range map[string]struct {
		key  string
		body object
	}{"revoked": {revoked.Key, cut}, "other": {other, endless()}} {
		streams[name] = controlplane.Caller(c.key).Stream("/api/chat", c.body)
		streams[name].AwaitLines(serveLimit, 3)
	}
	corraltest.Output(t, corraltest.Bin(t, "corral-controlplane"), "key", "revoke", "--data-dir", controlplane.DataDir, revoked.ID)
	if last, err := streams["revoked"].AwaitEnd(5 * time.Second); err == nil && !strings.Contains(last, `"error"`) {
		t.Errorf("the answer that was cut off looks as if it were whole, and ends with %s", last)
	}
	if answer := controlplane.Caller(revoked.Key).Get("/api/hosts"); answer.Status != 401 {
		t.Errorf("the revoked key still gets %d", answer.Status)
	}
	streams["other"].AwaitMore(5 * time.Second)
}

// TestWithoutAKey has a server that asks for no key, as an existing dashboard
// needs it.
func TestWithoutAKey(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	const open = "--security-api-key-required=false"

	exposed := lab.Start(corraltest.Command{
		Path: corraltest.Bin(t, "corral-controlplane"),
		Args: []string{"serve", "--data-dir", lab.Folder("exposed"), "--listen", "0.0.0.0:0", open},
	})
	if code := exposed.Wait(serveLimit); code != 2 || !exposed.LogHas("beyond loopback") {
		t.Errorf("a server that is open to all ended with status %d", code)
	}

	controlplane := lab.ControlPlane(open)
	anybody := controlplane.As("")
	if answer := anybody.Get("/api/hosts"); answer.Status != 200 {
		t.Errorf("without a key: %d %s", answer.Status, answer.Body)
	}
	if answer := anybody.Post("/api/keys", object{"name": "mine", "role": "admin"}); answer.Status != 401 {
		t.Errorf("an operator without a key makes himself a key: %d %s", answer.Status, answer.Body)
	}
	for origin, want := range map[string]int{"http://localhost:3000": 404, "http://elsewhere.example": 403} {
		answer := anybody.Do("POST", "/api/hosts/nobody/drain", object{}, "Origin", origin)
		if answer.Status != want {
			t.Errorf("a page of %s gets %d, want %d: %s", origin, answer.Status, want, answer.Body)
		}
	}
	if answer := controlplane.Caller("crl_forged").Get("/api/hosts"); answer.Status != 401 {
		t.Errorf("a key that is not good gets %d", answer.Status)
	}
	if answer := controlplane.As(corraltest.Admin).Get("/api/keys"); answer.Status != 200 {
		t.Errorf("an administrator gets %d", answer.Status)
	}
}
