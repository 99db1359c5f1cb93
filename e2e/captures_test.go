package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestCaptures turns captures on and off around requests to a real Ollama, and
// wants to find what was asked and answered, byte by byte, only of those between.
func TestCaptures(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Ollama: server.URL}).AwaitModel(serveLimit, corraltest.Hello)
	caller, admin := controlplane.As(corraltest.Inference), controlplane.As(corraltest.Admin)
	asks := func(word string) (asked, answered, id string) {
		t.Helper()
		encoded, err := json.Marshal(object{"model": "hello", "messages": []object{{"role": "user", "content": word}}})
		if err != nil {
			t.Fatal(err)
		}
		answer := caller.Post("/api/chat", string(encoded))
		id = answer.Header.Get("Corral-Decision")
		if answer.Status != 200 || id == "" {
			t.Fatalf("%d %v %s", answer.Status, answer.Header, answer.Body)
		}
		lastRequest(t, controlplane, id) // it is noted
		return string(encoded), answer.Body, id
	}
	turn := func(on bool) {
		t.Helper()
		if answer := admin.Post("/api/config", object{"monitoring": object{"captures": on}}); answer.Status != 200 {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
	}
	type capture struct {
		Request, Answer string
		RequestCut      bool `json:"request_cut"`
		AnswerCut       bool `json:"answer_cut"`
	}
	path := func(id string) string { return "/api/usage/requests/" + id + "/capture" }

	_, _, before := asks("before")
	turn(true)
	asked, answered, id := asks("Hello?")
	turn(false)
	_, _, after := asks("after")

	var got capture
	controlplane.As(corraltest.Operator).Get(path(id)).JSON(&got)
	if want := (capture{Request: asked, Answer: answered}); got != want {
		t.Errorf("kept is %+v, want %+v", got, want)
	}
	for _, other := range []string{before, after} {
		if answer := admin.Get(path(other)); answer.Status != 404 {
			t.Errorf("of a request without captures: %d %s", answer.Status, answer.Body)
		}
	}
	if answer := caller.Get(path(id)); answer.Status != 403 || strings.Contains(answer.Body, "Hello") {
		t.Errorf("who is no operator gets %d %s", answer.Status, answer.Body)
	}
	if !controlplane.LogHas("captures are on") {
		t.Error("the log does not tell that captures were on")
	}
	if answer := admin.Do("DELETE", "/api/usage/captures", nil); answer.Status != 204 {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	if answer := admin.Get(path(id)); answer.Status != 404 {
		t.Errorf("after all were deleted: %d %s", answer.Status, answer.Body)
	}
}
