package fleet_test

import (
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestSettingsThatWaitAreNoProblem(t *testing.T) {
	r := registry("a")
	i := ready("default", model("tiny", "d1", 1))
	i.Reason, i.Message = "settings_pending", "A restart would change something."
	r.Report("a", 1, noon(), []fleet.Instance{i})
	wantState(t, r, "a", fleet.HostOnline)
	if v := find(t, r, "a"); len(v.Problems) != 0 || v.Instances[0].Message != i.Message {
		t.Errorf("the problems are %v, and the instance says %q", v.Problems, v.Instances[0].Message)
	}
	i.Reason, i.Message = "settings_lost", "What is set for it has no effect."
	r.Report("a", 1, noon(), []fleet.Instance{i})
	wantState(t, r, "a", fleet.HostDegraded)
}
