package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/wire"
)

// connectLimit is how long an agent may take from its start to be connected.
const connectLimit = 20 * time.Second

// TestTokens wants agents with tokens that are no good to end and to say why.
func TestTokens(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	foreign := lab.ControlPlane()
	usedUp := controlplane.Token("--uses", "1")
	controlplane.Agent(corraltest.AgentOptions{Name: "first", Token: usedUp}).AwaitConnected(connectLimit)

	refused := func(name, token, want string, plain bool) {
		t.Helper()
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Token: token, Plain: plain})
		if code := agent.Wait(connectLimit); code != 1 {
			t.Errorf("%s: the agent ended with status %d", name, code)
		}
		if !agent.LogHas(want) {
			t.Errorf("%s: the agent does not say %q", name, want)
		}
	}
	refused("used-up", usedUp, "used", false)
	refused("expired", controlplane.Token("--ttl", "1ms"), "expired", false)
	// Without TLS nothing compares the fingerprint, and the secret has to do.
	refused("forged", foreign.Token(), "token", true)

	// Over TLS an agent does not even tell a stranger its token.
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "elsewhere", Token: foreign.Token()})
	agent.AwaitLog(connectLimit, "not the control plane that made this token")
	agent.Stop()

	hosts, err := controlplane.API().Hosts(t.Context())
	if err != nil || len(hosts) != 1 || hosts[0].Name != "first" {
		t.Errorf("hosts: %+v, %v", hosts, err)
	}
}

// TestClonedDataDirectory starts a second agent with the first one's key.
func TestClonedDataDirectory(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	original := controlplane.Agent(corraltest.AgentOptions{})
	before := original.AwaitConnected(connectLimit)

	folder := lab.Folder("clone")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"agent.key", "joined.json"} {
		content, err := os.ReadFile(filepath.Join(original.DataDir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	clone := controlplane.Agent(corraltest.AgentOptions{DataDir: folder})
	clone.AwaitLog(connectLimit, "this data directory is a clone")
	after := controlplane.AwaitHost(connectLimit, original.Name, "shows that it was cloned", func(h *client.Host) bool {
		for _, p := range h.Problems {
			// Both machines are named, and here they are one.
			if p.Code == wire.RejectDuplicateIdentity && strings.Count(p.Message, strconv.Quote(h.Facts.Hostname)) == 2 && strings.Contains(p.Message, "(the same machine)") {
				return true
			}
		}
		return false
	})
	if !corraltest.Reachable(after) || !after.ConnectedAt.Equal(before.ConnectedAt) {
		t.Errorf("the original is %s since %v, it was connected since %v", after.State, after.ConnectedAt, before.ConnectedAt)
	}
	if bytes.Contains(original.Log(), []byte("not connected")) {
		t.Error("the original lost its connection")
	}
}
