package api

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

func TestCapturesAreForOperators(t *testing.T) {
	f := start(t, relaytest.NoModels)
	rows := []fleet.UsageRow{
		{ID: "r1-1", At: noon(), KeyID: "infer", Capture: &fleet.Capture{Request: []byte(`{"prompt":"<why>"}`), Answer: []byte("be\xffcause\n"), AnswerCut: true}},
		{ID: "r1-2", At: noon(), KeyID: "infer"},
	}
	if err := f.db.AppendUsage(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	const path = "/api/usage/requests/r1-1/capture"
	for may, want := range map[edge.Permission]int{edge.Read: 403, edge.Infer: 403, edge.Operate: 200, edge.Administer: 200} {
		if got := f.Do(may, "GET", path, ""); got.Status != want {
			t.Errorf("%s gets %d, want %d: %s", may, got.Status, want, got.Body)
		}
	}
	var got captureAnswer
	decodeAnswer(t, f.Do(edge.Operate, "GET", path, ""), &got)
	want := captureAnswer{ID: "r1-1", Request: `{"prompt":"<why>"}`, Answer: "be\ufffdcause\n", AnswerCut: true}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, id := range []string{"r1-2", "r1-3"} {
		if got := f.Do(edge.Operate, "GET", "/api/usage/requests/"+id+"/capture", ""); got.Status != 404 {
			t.Errorf("%s: %d %s", id, got.Status, got.Body)
		}
	}
}

func TestAllCapturesAreDeletedByAnAdministrator(t *testing.T) {
	f := start(t, relaytest.NoModels)
	if err := f.db.AppendUsage(t.Context(), []fleet.UsageRow{{ID: "r1-1", At: noon(), Capture: &fleet.Capture{Request: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	if got := f.Do(edge.Operate, "DELETE", "/api/usage/captures", ""); got.Status != 403 {
		t.Errorf("an operator gets %d", got.Status)
	}
	if got := f.Do(edge.Administer, "DELETE", "/api/usage/captures", ""); got.Status != 204 || got.Body != "" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "GET", "/api/usage/requests/r1-1/capture", ""); got.Status != 404 {
		t.Errorf("after that: %d %s", got.Status, got.Body)
	}
}
