package router

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestABodyWithAnotherName(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"prod","stream":true}`:                           `{"model":"tiny:q4","stream":true}`,
		` { "stream" : true , "model" : "prod" } `:                 ` { "stream" : true , "model" : "tiny:q4" } `,
		`{"messages":[{"model":"prod","x":"\"}"}],"model":"prod"}`: `{"messages":[{"model":"prod","x":"\"}"}],"model":"tiny:q4"}`,
		`{"model":"prod"} and more`:                                `{"model":"tiny:q4"} and more`,
		// What can be read in several ways is taken apart.
		`{"model":"prod","model":"prod"}`:  `{"model":"tiny:q4"}`,
		`{"name":"prod","stream":true}`:    `{"name":"tiny:q4","stream":true}`,
		`{"model":"","name":"prod"}`:       `{"model":"","name":"tiny:q4"}`,
		`{"Model":"prod"}`:                 `{"Model":"prod","model":"tiny:q4"}`,
		`{"mod\u0065l":"prod","stream":1}`: `{"model":"tiny:q4","stream":1}`,
		`{}`:                               `{"model":"tiny:q4"}`,
	} {
		if got, err := renameModel([]byte(body), "tiny:q4"); err != nil || string(got) != want {
			t.Errorf("%s becomes %s, %v", body, got, err)
		}
	}
	for _, body := range []string{``, `[]`, `{"model"`} {
		if got, err := renameModel([]byte(body), "tiny:q4"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s becomes %s, %v", body, got, err)
		}
	}
}

func TestAHostIsAskedByTheNameThatItHas(t *testing.T) {
	l := newLab(&hosts{})
	l.join("h1", tiny())
	l.registry.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "prod:latest", Model: "tiny:latest"}})
	answer := l.ask(t, "prod")
	answer.Body.Close()
	if want := `{"model":"tiny:latest","messages":[{"role":"user","content":"Why?"}]}`; l.hosts.calls[0].Body != want || !answer.Renamed || answer.Model != "tiny:latest" {
		t.Errorf("the host was asked %s; the answer is %+v", l.hosts.calls[0].Body, answer)
	}
	answer = l.ask(t, "Tiny")
	answer.Body.Close()
	if !strings.Contains(l.hosts.calls[1].Body, `"model":"Tiny"`) || answer.Renamed {
		t.Errorf("the host was asked %s; the answer is %+v", l.hosts.calls[1].Body, answer)
	}
}
