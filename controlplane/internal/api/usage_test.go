package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// usedBy stores requests, one for each of these keys, a minute apart up to noon.
func usedBy(t *testing.T, f *fixture, keys ...string) {
	t.Helper()
	rows := make([]fleet.UsageRow, len(keys))
	for i, key := range keys {
		rows[i] = fleet.UsageRow{
			ID: fmt.Sprint("d", i), At: noon().Add(time.Duration(i-len(keys)) * time.Minute), KeyID: key, Key: "key " + key,
			Model: "tiny:latest", HostID: "h1", Host: "alpha", Outcome: "answered", Generated: new(int64(2)), TotalMS: 10,
		}
	}
	if err := f.db.AppendUsage(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// Who manages the fleet sees everybody's requests, others their own.
func TestUsageIsForWhoMaySeeIt(t *testing.T) {
	f := start(t, relaytest.NoModels)
	usedBy(t, f, "read", "infer", "infer", "operate", "")
	for may, want := range map[edge.Permission]int64{edge.Read: 1, edge.Infer: 2, edge.Operate: 5, edge.Administer: 5} {
		var totals struct{ Totals []fleet.UsageTotal }
		decodeAnswer(t, f.Do(may, "GET", "/api/usage", ""), &totals)
		var list struct{ Requests []fleet.UsageRow }
		decodeAnswer(t, f.Do(may, "GET", "/api/usage/requests", ""), &list)
		if len(totals.Totals) != 1 || totals.Totals[0].Requests != want || int64(len(list.Requests)) != want {
			t.Errorf("%s sees %+v and %d requests, want %d", may, totals.Totals, len(list.Requests), want)
		}
	}
}

func decodeAnswer(t *testing.T, got relaytest.Result, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(got.Body), into); err != nil || got.Status != 200 {
		t.Fatalf("%d %v %s", got.Status, err, got.Body)
	}
}

func TestUsageTotals(t *testing.T) {
	f := start(t, relaytest.NoModels)
	usedBy(t, f, "infer", "infer", "operate")
	got := f.Do(edge.Operate, "GET", "/api/usage?by=key&limit=1", "")
	want := `{"from":"2026-02-28T12:00:00Z","to":"2026-03-01T12:00:00Z","by":"key","totals":[{"id":"infer","name":"key infer","requests":2,` +
		`"failed":0,"given_up":0,"counted":2,"prompt_tokens":0,"generated_tokens":4,"total_ms":20,"first_token_ms":null}],"lost":3}`
	if got.Status != 200 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	// The answer says which hours it is of.
	got = f.Do(edge.Operate, "GET", "/api/usage?from=2026-01-01T00:30:00Z&to=2026-01-01T00:40:00Z", "")
	if want := `{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00Z","by":"model","totals":[],"lost":3}`; got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// A list goes on where the page before ended.
func TestUsageRequestsComePageByPage(t *testing.T) {
	f := start(t, relaytest.NoModels)
	usedBy(t, f, "a", "b", "c", "d", "e")
	var ids []string
	for next := "/api/usage/requests?limit=2"; next != ""; {
		var page struct {
			Requests []fleet.UsageRow
			Cursor   *string
		}
		decodeAnswer(t, f.Do(edge.Operate, "GET", next, ""), &page)
		for _, r := range page.Requests {
			ids = append(ids, r.ID)
		}
		if next = ""; page.Cursor != nil {
			next = "/api/usage/requests?limit=2&cursor=" + *page.Cursor
		}
	}
	if diff := cmp.Diff([]string{"d4", "d3", "d2", "d1", "d0"}, ids); diff != "" {
		t.Error(diff)
	}
}

func TestUsageRefusesWhatItCannotRead(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for query, names := range map[string]string{
		"?by=weather": "by", "?limit=0": "limit", "?limit=1001": "limit", "?from=yesterday": "from",
		"?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "from", "/requests?cursor=x": "cursor", "/requests?cursor=1-!": "cursor",
	} {
		got := f.Do(edge.Read, "GET", "/api/usage"+query, "")
		if got.Status != 400 || !strings.Contains(got.Body, `\"`+names+`\"`) {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
}
