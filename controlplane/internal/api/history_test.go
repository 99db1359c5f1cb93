package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/wire"
)

// The samples of a host come oldest first, a part at a time, and one that can't
// be read is a gap.
func TestHistory(t *testing.T) {
	f := start(t, relaytest.NoModels)
	var rows []fleet.SampleRow
	var enc wire.Encoder
	for i := range 10 {
		row := fleet.SampleRow{
			HostID: "h1", RunID: "r", Seq: uint64(i + 1), TakenAt: noon().Add(time.Duration(i-10) * time.Second), ReceivedAt: noon(),
			Payload: enc.AppendSample(nil, &wire.Sample{Seq: uint64(i + 1), UptimeSec: uint64(i)}),
		}
		if i == 4 {
			row.Payload = []byte{0xff}
		}
		rows = append(rows, row)
	}
	if err := f.db.AppendSamples(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	ask := func(query string) (uptimes []int64, next string) {
		t.Helper()
		got := f.Do(edge.Read, "GET", "/api/history?host="+query, "")
		var answer struct {
			HostID  string         `json:"host_id"`
			Samples []fleet.Sample `json:"samples"`
			Cut     bool           `json:"truncated"`
			Next    *time.Time     `json:"next_from"`
		}
		if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 200 || answer.Cut != (answer.Next != nil) {
			t.Fatalf("%s: %d %v %s", query, got.Status, err, got.Body)
		}
		for _, s := range answer.Samples {
			uptimes = append(uptimes, s.UptimeSeconds)
		}
		if answer.Next != nil {
			next = answer.Next.Format(time.RFC3339)
		}
		return uptimes, next
	}
	samples := func(query string, want []int64, wantNext string) {
		t.Helper()
		got, next := ask(query)
		if diff := cmp.Diff(want, got); diff != "" || next != wantNext {
			t.Errorf("%s: next %q, %s", query, next, diff)
		}
	}
	samples("alpha", []int64{0, 1, 2, 3, 5, 6, 7, 8, 9}, "")
	samples("h1&limit=3", []int64{0, 1, 2}, "2026-03-01T11:59:53Z")
	samples("h1&limit=3&from=2026-03-01T11:59:53Z", []int64{3, 5, 6}, "2026-03-01T11:59:57Z")
	samples("h1&from=2026-03-01T11:59:58Z&to=2026-03-01T11:59:59Z", []int64{8}, "")
	samples("beta", nil, "")
	if got := f.Do(edge.Read, "GET", "/api/history?host=beta", ""); !strings.Contains(got.Body, `"samples":[]`) {
		t.Errorf("no samples: %s", got.Body)
	}
	for query, says := range map[string]string{
		"": `\"host\"`, "host=h1&limit=0": `\"limit\"`, "host=h1&limit=10001": `\"limit\"`, "host=h1&from=yesterday": `\"from\"`,
		"host=h1&to=5": `\"to\"`, "host=h1&from=2026-03-01T12:00:00Z&to=2026-03-01T12:00:00Z": `\"from\"`,
	} {
		if got := f.Do(edge.Read, "GET", "/api/history?"+query, ""); got.Status != 400 || !strings.Contains(got.Body, says) {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
}
