package storm_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/bench/storm"
	"github.com/corral-fleet/corral/e2e/corraltest"
)

const (
	fewAgents = 20 // where CORRAL_STORM_AGENTS does not say how many
	backLimit = 60 * time.Second
)

// TestFleetComesBack kills a control plane under a fleet and wants every agent
// to be back in time, as the host that it was before.
func TestFleetComesBack(t *testing.T) {
	count := fewAgents
	if s := os.Getenv("CORRAL_STORM_AGENTS"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil || count < 1 {
			t.Fatalf("CORRAL_STORM_AGENTS is %q, not a number of agents", s)
		}
	}
	controlplane := corraltest.New(t).ControlPlane()
	fleet, err := storm.New(controlplane.Address, controlplane.Token("--uses", strconv.Itoa(count)), count)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-result; err != nil {
			t.Error(err)
		}
	})

	began := time.Now()
	before := awaitFleet(t, controlplane, fleet, count)
	t.Logf("%d agents had joined after %v", count, time.Since(began).Round(time.Millisecond))
	for range 2 {
		sessions := fleet.Sessions()
		controlplane.Kill()
		controlplane.Restart()
		began := time.Now()
		after := awaitFleet(t, controlplane, fleet, count)
		t.Logf("all were back %v after the control plane, with %d sessions", time.Since(began).Round(time.Millisecond), fleet.Sessions()-sessions)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("the hosts differ after the restart\n%s", diff)
		}
	}
}

// awaitFleet waits until every agent is connected and shown as such, and returns
// the hosts' names by their ids.
func awaitFleet(t *testing.T, controlplane *corraltest.ControlPlane, fleet *storm.Fleet, count int) map[string]string {
	t.Helper()
	names := map[string]string{}
	corraltest.Await(t, backLimit, "the whole fleet is connected", func() error {
		hosts, err := controlplane.API().Hosts(t.Context())
		if err != nil {
			return err
		}
		reachable := map[string]string{}
		for _, h := range hosts {
			if corraltest.Reachable(&h) {
				reachable[h.ID] = h.Name
			}
		}
		if len(hosts) != count || len(reachable) != count || fleet.Connected() != count {
			return fmt.Errorf("of %d agents, %d are known, %d shown as connected and %d connected", count, len(hosts), len(reachable), fleet.Connected())
		}
		maps.Copy(names, reachable)
		return nil
	})
	return names
}
