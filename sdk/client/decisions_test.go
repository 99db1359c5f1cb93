package client_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestADecisionIsFoundByItsID(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/api/routing/decisions/r1-2a" {
			w.WriteHeader(404)
			io.WriteString(w, `{"error":"there is no routing decision","code":"not_found"}`)
			return
		}
		io.WriteString(w, `{"id":"r1-2a","host":"gpu-1","candidates":[{"host":"gpu-1","chosen":true,"price":{"total_seconds":1.5}},{"host":"gpu-2"}]}`)
	})
	d, err := c.Decision(t.Context(), "r1-2a")
	if err != nil {
		t.Fatal(err)
	}
	if d.Host != "gpu-1" || len(d.Candidates) != 2 || d.Candidates[0].Price.TotalSeconds != 1.5 || d.Candidates[1].Price != nil || d.MaxTokens != nil {
		t.Errorf("the decision is %+v", d)
	}
	for id, want := range map[string]fault.Kind{"r1-3": fault.NotFound, "": fault.Invalid, "../keys": fault.NotFound} {
		if _, err := c.Decision(t.Context(), id); fault.KindOf(err) != want {
			t.Errorf("%q: %v, want %v", id, err, want)
		}
	}
}
