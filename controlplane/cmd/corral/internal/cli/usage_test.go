package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/client"
)

// accounts stands in for a control plane with these totals and requests, and
// notes what it was asked.
func accounts(t *testing.T, totals client.UsageTotals, page client.UsagePage) (environment map[string]string, asked *string) {
	t.Helper()
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.String()
		var answer any = totals
		if strings.HasSuffix(r.URL.Path, "/requests") {
			answer = page
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return map[string]string{"CORRAL_SERVER": server.URL}, asked
}

func TestUsage(t *testing.T) {
	environment, asked := accounts(t, client.UsageTotals{By: client.UsageByKey, Totals: []client.UsageTotal{
		{ID: "k1", Name: "my app", Requests: 12, Failed: 1, Counted: 11, Prompt: 340, Generated: 5600, FirstMS: new(41.6)},
		{Requests: 2, GivenUp: 2},
	}}, client.UsagePage{Requests: []client.UsageRequest{
		{
			At: now(), Key: "my app", Model: "llama3:latest", Host: "gpu-1", Outcome: "answered", TotalMS: 1250.4,
			Prompt: new(int64(9)), Generated: new(int64(15)), PerSecond: new(48.25), FirstMS: new(41.6),
		},
		{At: now(), Asked: "no\x1bthing", Outcome: "failed", Error: "not_found", TotalMS: 1},
	}})
	for _, c := range []struct{ args, path, want string }{
		{
			"usage --by key --since 2h -n 5", "/api/usage?by=key&from=2026-03-01T10%3A00%3A00Z&limit=5&to=2026-03-01T12%3A00%3A00Z",
			"KEY     REQUESTS  FAILED  GIVEN UP  PROMPT TOKENS  TOKENS  FIRST TOKEN\n" +
				"my app  12        1       0         340            5600    42ms\n" +
				"-       2         0       2         -              -       -\n",
		},
		{
			"usage --requests", "/api/usage/requests?from=2026-02-28T12%3A00%3A00Z&limit=20&to=2026-03-01T12%3A00%3A00Z",
			"AT                   KEY     MODEL          HOST   OUTCOME            PROMPT TOKENS  TOKENS  PER SECOND  FIRST TOKEN  TOTAL\n" +
				"2026-03-01 12:00:00  my app  llama3:latest  gpu-1  answered           9              15      48.2        42ms         1.25s\n" +
				"2026-03-01 12:00:00  -       no?thing       -      failed, not_found  -              -       -           -            1ms\n",
		},
	} {
		got := run(t, environment, "", strings.Fields(c.args)...)
		if diff := cmp.Diff(c.want, got.stdout); diff != "" || got.exit != exitDone || *asked != c.path {
			t.Errorf("%s: status %d %s, asked %s\n%s", c.args, got.exit, got.stderr, *asked, diff)
		}
	}
	got := run(t, environment, "", "usage", "--output", "json")
	var totals client.UsageTotals
	if err := json.Unmarshal([]byte(got.stdout), &totals); err != nil || len(totals.Totals) != 2 {
		t.Errorf("as JSON: %v %s", err, got.stdout)
	}
	if got := run(t, environment, "", "usage", "--since", "-1h"); got.exit != exitUsage || !strings.Contains(got.stderr, "--since") {
		t.Errorf("a negative time: status %d %s", got.exit, got.stderr)
	}
}

func TestUsageOfNothing(t *testing.T) {
	environment, _ := accounts(t, client.UsageTotals{}, client.UsagePage{})
	for _, args := range [][]string{{"usage"}, {"usage", "--requests"}} {
		if got := run(t, environment, "", args...); got.stdout != "there were no requests\n" || got.exit != exitDone {
			t.Errorf("%v: status %d %q", args, got.exit, got.stdout)
		}
	}
}
