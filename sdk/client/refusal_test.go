package client_test

import (
	"net/http"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestRefusals(t *testing.T) {
	cases := []struct {
		name    string
		status  int
		body    string
		kind    fault.Kind
		message string // "" where only the kind matters
	}{
		{"as the API says it", 404, `{"error": "there is no host \"x\"", "code": "not_found"}`, fault.NotFound, `there is no host "x"`},
		{"the code decides", 501, `{"error": "uploads are not built yet", "code": "unavailable"}`, fault.Unavailable, "uploads are not built yet"},
		{"internal", 500, `{"error": "something went wrong", "code": "internal"}`, fault.Internal, "something went wrong"},
		{"a code from the future", 409, `{"error": "taken", "code": "from_the_future"}`, fault.Conflict, "taken"},
		{"a code that is no error", 503, `{"error": "away", "code": "ok"}`, fault.Unavailable, "away"},
		{"Ollama's form", 404, `{"error": "model 'x' not found"}`, fault.NotFound, "model 'x' not found"},
		{"a proxy's page", 502, `<html>Bad Gateway</html>`, fault.Unavailable, ""},
		{"nothing", 401, ``, fault.Unauthenticated, ""},
		{"too large", 413, `{}`, fault.TooLarge, ""},
		{"rate limited", 429, `{}`, fault.RateLimited, ""},
		{"no space", 507, `{}`, fault.NoSpace, ""},
		{"timeout", 504, `{}`, fault.Timeout, ""},
		{"forbidden", 403, `{}`, fault.Forbidden, ""},
		{"invalid", 400, `{}`, fault.Invalid, ""},
		{"not built", 501, `{}`, fault.NotImplemented, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := serve(t, answer(tc.status, tc.body))
			_, err := c.Status(t.Context())
			if kind := fault.KindOf(err); kind != tc.kind {
				t.Errorf("kind %v, want %v (%v)", kind, tc.kind, err)
			}
			if tc.message != "" && fault.MessageOf(err) != tc.message {
				t.Errorf("message %q, want %q", fault.MessageOf(err), tc.message)
			}
			if side := fault.SideOf(err); side != fault.Service {
				t.Errorf("side %v, want the service's", side)
			}
		})
	}
}

func TestAnotherProgramAnswers(t *testing.T) {
	c := serve(t, answer(200, "<html>It works!</html>"))
	if _, err := c.Status(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v, want fault.Unavailable", err)
	}
}

// TestRedirectsAreNotFollowed: what is redirected would take the key along.
func TestRedirectsAreNotFollowed(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("the redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	if _, err := c.Status(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v, want fault.Unavailable", err)
	}
}
