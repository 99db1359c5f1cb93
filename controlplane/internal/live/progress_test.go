package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestProgressIsOfAllHostsTogetherAndNeverFalls(t *testing.T) {
	on := func(host string, state fleet.OperationState, done int64) fleet.Operation {
		return fleet.Operation{
			ID: "op_" + host, Kind: fleet.DownloadOperation, Model: "m:latest", ModelID: "m_1", Host: host,
			State: state, Phase: "fetching", DoneBytes: done, TotalBytes: 100,
		}
	}
	journeys := map[string]*journey{}
	for _, step := range []struct {
		change fleet.Operation
		want   int
		status string
	}{
		{on("a", fleet.OperationRunning, 50), 50, "downloading"},
		{on("b", fleet.OperationRunning, 0), 50, "downloading"}, // of twice as much it is 25
		{on("b", fleet.OperationRunning, 60), 55, "downloading"},
		{on("a", fleet.OperationDone, 100), 80, "available"},
		{on("b", fleet.OperationDone, 100), 100, "available"},
	} {
		told := follow(journeys, []fleet.Operation{step.change})
		if len(told) != 1 || told[0].Progress != step.want || told[0].Status != step.status {
			t.Errorf("after %s at %d: told %+v, want %d and %q", step.change.Host, step.change.DoneBytes, told, step.want, step.status)
		}
	}
	if len(journeys) != 0 {
		t.Error("what has ended is still followed")
	}
	again := follow(journeys, []fleet.Operation{on("a", fleet.OperationRunning, 10)})
	if again[0].Progress != 10 {
		t.Errorf("the next one begins at %d", again[0].Progress)
	}
}

func TestAHostThatIsAwayIsNotWaitedFor(t *testing.T) {
	on := func(host string, state fleet.OperationState, reason fleet.WaitReason) fleet.Operation {
		return fleet.Operation{ID: "op_" + host, Kind: fleet.DownloadOperation, Model: "m:latest", ModelID: "m_1", Host: host, State: state, Reason: reason}
	}
	journeys := map[string]*journey{}
	told := follow(journeys, []fleet.Operation{on("away", fleet.OperationWaiting, fleet.WaitsForHost)})
	if len(told) != 1 || told[0].Progress != 0 || told[0].Operations[0].Reason != fleet.WaitsForHost || len(journeys) != 0 {
		t.Errorf("told of one that is away alone: %+v, with %d to follow", told, len(journeys))
	}
	follow(journeys, []fleet.Operation{on("a", fleet.OperationRunning, ""), on("away", fleet.OperationWaiting, fleet.WaitsForHost)})
	told = follow(journeys, []fleet.Operation{on("a", fleet.OperationDone, "")})
	if len(told) != 1 || told[0].Progress != 100 || len(told[0].Operations) != 2 || len(journeys) != 0 {
		t.Errorf("at the end: %+v, with %d to follow", told, len(journeys))
	}
}

func TestAFailureIsToldWithItsReason(t *testing.T) {
	failed := fleet.Operation{
		ID: "op_1", Kind: fleet.StoreOperation, Model: "m:latest", ModelID: "m_1", State: fleet.OperationFailed, DoneBytes: 40, TotalBytes: 100, Error: "it is no GGUF",
	}
	running := failed
	running.State, running.Error = fleet.OperationRunning, ""
	told := follow(map[string]*journey{}, []fleet.Operation{running, failed}) // two changes, and one thing to tell
	want := []ModelProgress{{
		ModelID: "m_1", Progress: 40, Status: "failed", Message: "it is no GGUF", Name: "m:latest", OperationID: "op_1",
		Operations: []OperationStep{{OperationID: "op_1", Kind: fleet.StoreOperation, State: fleet.OperationFailed, Progress: 40, Error: "it is no GGUF"}},
	}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
