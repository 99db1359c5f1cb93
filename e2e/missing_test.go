package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// TestHostsThatAreMissing kills agents and stops one, and wants what becomes of
// their hosts to be told apart.
func TestHostsThatAreMissing(t *testing.T) {
	t.Parallel()
	const deadAfter, slack = 14 * time.Second, 4 * time.Second
	controlplane := corraltest.New(t).ControlPlane("--fleet-dead-after", "14")
	token := controlplane.Token("--uses", "6")
	agents := make([]*corraltest.Agent, 6)
	for i := range agents {
		agents[i] = controlplane.Agent(corraltest.AgentOptions{Name: fmt.Sprint("host-", i), Token: token})
	}
	for _, a := range agents {
		a.AwaitConnected(connectLimit)
	}
	is := func(a *corraltest.Agent, within time.Duration, state client.HostState) {
		t.Helper()
		controlplane.AwaitHost(within, a.Name, "is "+string(state), func(h *client.Host) bool { return h.State == state })
	}
	doubted := func(want bool) func() error {
		return func() error {
			status, err := controlplane.API().Status(t.Context())
			if err != nil {
				return err
			}
			if got := slices.ContainsFunc(status.Problems, func(p string) bool { return strings.Contains(p, "lost at once") }); got != want {
				return fmt.Errorf("the problems are %q", status.Problems)
			}
			return nil
		}
	}

	agents[0].Kill()
	is(agents[0], 3*time.Second, client.HostDisconnected)
	is(agents[0], 10*time.Second+slack, client.HostAway)
	is(agents[0], deadAfter-10*time.Second+slack, client.HostDead)
	if err := doubted(false)(); err != nil {
		t.Errorf("one host that is dead is doubted: %v", err)
	}
	agents[0].Restart()
	agents[0].AwaitConnected(connectLimit)

	for _, a := range agents[1:4] {
		a.Signal(syscall.SIGSTOP)
	}
	for _, a := range agents[1:4] {
		is(a, awayLimit, client.HostAway)
	}
	corraltest.Await(t, slack, "it is doubted that three hosts fell silent at once", doubted(true))
	for began := time.Now(); time.Since(began) < deadAfter+slack; <-time.After(time.Second) {
		for _, a := range agents[1:4] {
			if h, err := controlplane.API().Host(t.Context(), a.Name); err != nil || h.State == client.HostDead {
				t.Fatalf("%s is dead on suspicion, %v", a.Name, err)
			}
		}
	}
	for _, a := range agents[1:4] {
		a.Signal(syscall.SIGCONT)
	}
	corraltest.Await(t, backLimit, "the doubt ends", doubted(false))
	for _, a := range agents {
		a.AwaitConnected(connectLimit)
	}
}
