package storm_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/storm"
	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// TestFaultsOnDemand has hosts by TLS fall silent, tell a wrong time and be cut
// off, and wants the control plane to see what it is.
func TestFaultsOnDemand(t *testing.T) {
	const count = 6
	controlplane := corraltest.New(t).ControlPlane()
	fleet, err := storm.Simulate(storm.Options{Address: controlplane.Address, Token: controlplane.Token("--uses", fmt.Sprint(count)), Hosts: count})
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Secure(); err != nil {
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
	awaitFleet(t, controlplane, fleet, count)

	fleet.Inflict(0, 1, storm.Fault{ClockOff: time.Hour})
	controlplane.AwaitHost(10*time.Second, "sim-000", "has a wrong clock", func(h *client.Host) bool {
		return h.ClockOffsetMS > 3_500_000
	})
	fleet.Inflict(0, count, storm.Fault{Slow: 10 * time.Millisecond})
	fleet.Inflict(1, 1, storm.Fault{Silent: true})
	controlplane.AwaitHost(12*time.Second, "sim-001", "is away", func(h *client.Host) bool { return h.State == client.HostAway })
	fleet.Inflict(0, count, storm.Fault{})
	awaitFleet(t, controlplane, fleet, count)

	fleet.Forget()
	fleet.Drop(0, count)
	corraltest.Await(t, backLimit, "all have connected anew", corraltest.Until(func() bool { return len(fleet.Begins()) >= count }))
	awaitFleet(t, controlplane, fleet, count)
	fleet.Rest()
	corraltest.Await(t, backLimit, "every sample is acknowledged", corraltest.Until(func() bool {
		taken, waiting := fleet.Samples()
		return taken > 0 && waiting == 0
	}))
}
