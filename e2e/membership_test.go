package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// command runs a program to its end and returns its status and what it printed.
func command(t *testing.T, env []string, program string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), corraltest.Bin(t, program), args...)
	cmd.Env = append(cmd.Environ(), env...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// wantCommand is command for one that is to end with this status and to print a
// match of each pattern.
func wantCommand(t *testing.T, want int, patterns []string, program string, args ...string) {
	t.Helper()
	code, out := command(t, nil, program, args...)
	if code != want {
		t.Fatalf("%s %s ended with status %d, want %d:\n%s", program, strings.Join(args, " "), code, want, out)
	}
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(out) {
			t.Errorf("%s %s printed no match of %s:\n%s", program, args[0], p, out)
		}
	}
}

// hostNames are the names of a control plane's hosts.
func hostNames(t *testing.T, c *corraltest.ControlPlane) string {
	t.Helper()
	hosts, err := c.API().Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	return strings.Join(names, " ")
}

// TestJoinRunLeave takes a host through its life by hand.
func TestJoinRunLeave(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane, other := lab.ControlPlane(), lab.ControlPlane()
	folder := lab.Folder("host")
	join := func(c *corraltest.ControlPlane, more ...string) []string {
		return append([]string{
			"join", "--data-dir", folder, "--server", "https://" + c.Address, "--token", c.Token(), "--name", "rack-1",
			"--ollama-url", "http://127.0.0.1:1",
		}, more...)
	}

	// Who does not agree changes nothing.
	wantCommand(t, 2, []string{`processors +.*cores`, `memory +\S+ GiB`, `none answers at http://127.0.0.1:1`, "--yes"}, "corral-agent", join(controlplane)...)
	if got := hostNames(t, controlplane); got != "" {
		t.Fatalf("hosts: %s", got)
	}
	wantCommand(t, 0, []string{`Joined https://\S+ as host rack-1 \(h_`, `corral-agent run --data-dir`}, "corral-agent", join(controlplane, "--yes")...)
	first := controlplane.AwaitHost(connectLimit, "rack-1", "has joined", func(h *client.Host) bool { return h.State == client.HostStopped })
	wantCommand(t, 0, []string{"member already, as rack-1"}, "corral-agent", join(controlplane, "--yes")...)

	// It runs without being told where the control plane is.
	agent := lab.Start(corraltest.Command{Path: corraltest.Bin(t, "corral-agent"), Args: []string{
		"run", "--data-dir", folder, "--ollama-mode", "attached", "--ollama-url", "http://127.0.0.1:1",
	}})
	controlplane.AwaitHost(connectLimit, "rack-1", "is connected", corraltest.Reachable)
	wantCommand(t, 1, []string{"another agent", "stop it first"}, "corral-agent", "leave", "--data-dir", folder)
	agent.Stop()

	// To another control plane only when that is asked for.
	wantCommand(t, 1, []string{"member of another control plane", "--move"}, "corral-agent", join(other, "--yes")...)
	wantCommand(t, 0, []string{"leave the control plane at https://", "Left https://", "Joined https://"}, "corral-agent", join(other, "--yes", "--move")...)
	if here, there := hostNames(t, controlplane), hostNames(t, other); here != "" || there != "rack-1" {
		t.Errorf("after the move: %q and %q", here, there)
	}
	if moved, err := other.API().Host(t.Context(), "rack-1"); err != nil || moved.ID != first.ID {
		t.Errorf("its key is another one: %v, %v", moved, err)
	}

	wantCommand(t, 0, []string{"has forgotten host rack-1"}, "corral-agent", "leave", "--data-dir", folder)
	wantCommand(t, 0, []string{"no member"}, "corral-agent", "leave", "--data-dir", folder)
	if got := hostNames(t, other); got != "" {
		t.Errorf("after leaving: %q", got)
	}
}

// TestLeaveWithoutTheControlPlane forces a host out.
func TestLeaveWithoutTheControlPlane(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	folder := lab.Folder("host")
	wantCommand(t, 0, nil, "corral-agent", "join", "--yes", "--data-dir", folder, "--server", "https://"+controlplane.Address,
		"--token", controlplane.Token(), "--ollama-url", "http://127.0.0.1:1", "--name", "rack-1")
	controlplane.Stop()
	wantCommand(t, 1, []string{"could not be reached", "--force"}, "corral-agent", "leave", "--data-dir", folder)
	wantCommand(t, 0, []string{`corral host remove h_`}, "corral-agent", "leave", "--force", "--data-dir", folder)
	wantCommand(t, 0, []string{"no member"}, "corral-agent", "leave", "--data-dir", folder)
	controlplane.Restart()
	wantCommand(t, 0, []string{"(?m)^host rack-1 is forgotten"}, "corral", "host", "remove", "rack-1",
		"--server", controlplane.URL(), "--key", controlplane.Key(corraltest.Operator))
	if got := hostNames(t, controlplane); got != "" {
		t.Errorf("hosts: %q", got)
	}
}

// TestJoinAfterRemoval takes a host back in that an operator has removed.
func TestJoinAfterRemoval(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	folder := lab.Folder("host")
	join := func() []string {
		return []string{
			"join", "--yes", "--data-dir", folder, "--server", "https://" + controlplane.Address,
			"--token", controlplane.Token(), "--ollama-url", "http://127.0.0.1:1", "--name", "rack-1",
		}
	}
	wantCommand(t, 0, []string{"Joined"}, "corral-agent", join()...)
	wantCommand(t, 0, []string{"member already"}, "corral-agent", join()...)
	if _, err := controlplane.API().RemoveHost(t.Context(), "rack-1"); err != nil {
		t.Fatal(err)
	}
	wantCommand(t, 0, []string{"which the control plane has removed", "Joined https://"}, "corral-agent", join()...)
	if got := hostNames(t, controlplane); got != "rack-1" {
		t.Errorf("hosts: %q", got)
	}
}

// TestApproval has an agent wait until an operator lets its host in.
func TestApproval(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	token := controlplane.Token("--approve", "--uses", "2")
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "stranger", Token: token})
	agent.AwaitLog(connectLimit, "corral host approve stranger")
	host := controlplane.AwaitHost(connectLimit, "stranger", "waits", func(h *client.Host) bool { return h.State == client.HostPending && h.Pending })
	if host.Sample != nil || len(host.Instances) > 0 || host.Facts.Hostname == "" {
		t.Errorf("of a host that waits there is %+v", host)
	}
	operator := []string{"--server", controlplane.URL(), "--key", controlplane.Key(corraltest.Operator)}
	wantCommand(t, 0, []string{`stranger +pending`}, "corral", append([]string{"host", "list"}, operator...)...)
	wantCommand(t, 0, []string{"stranger is let in"}, "corral", append([]string{"host", "approve", "stranger"}, operator...)...)
	agent.AwaitConnected(connectLimit)
	agent.Stop()
	agent.Restart() // it was saved that it joined
	agent.AwaitConnected(connectLimit)

	admin := []string{"--server", controlplane.URL(), "--key", controlplane.Key(corraltest.Admin)}
	tokens, err := controlplane.API().Tokens(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].UsesLeft != 1 || !tokens[0].Approve {
		t.Fatalf("tokens: %+v, %v", tokens, err)
	}
	wantCommand(t, 0, []string{tokens[0].ID + ` +1 +yes`}, "corral", append([]string{"token", "list"}, admin...)...)
	wantCommand(t, 0, nil, "corral", append([]string{"token", "revoke", tokens[0].ID}, admin...)...)
	refused := controlplane.Agent(corraltest.AgentOptions{Name: "late", Token: token})
	if code := refused.Wait(connectLimit); code != 1 || !refused.LogHas("revoked") {
		t.Errorf("with a revoked token the agent ended with status %d", code)
	}
	if err := controlplane.API().RevokeToken(t.Context(), "nope"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown token: %v", err)
	}
}

// connectProxy is a proxy that knows one name.
type connectProxy struct {
	address  string
	connects atomic.Int32
}

// startProxy starts a proxy that connects name to target, and nothing else.
func startProxy(t *testing.T, name, target string) *connectProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &connectProxy{address: listener.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != name {
			http.Error(w, "not allowed", http.StatusForbidden)
			return
		}
		p.connects.Add(1)
		there, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, sent, err := http.NewResponseController(w).Hijack()
		if err != nil {
			there.Close()
			return
		}
		stop := context.AfterFunc(ctx, func() { here.Close(); there.Close() })
		working.Go(func() {
			defer stop()
			defer there.Close()
			defer here.Close()
			// A quick client has sent something already, which only sent holds.
			go func() { io.Copy(there, sent); there.Close() }()
			io.Copy(here, there)
		})
	})}
	working.Go(func() { server.Serve(listener) })
	t.Cleanup(func() {
		cancel()
		server.Close()
		working.Wait()
	})
	return p
}

// TestThroughAProxy reaches a control plane by a name that only a proxy knows.
func TestThroughAProxy(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	proxy := startProxy(t, "controlplane.test:443", controlplane.Address)
	folder := lab.Folder("host")
	join := []string{
		"join", "--yes", "--data-dir", folder, "--server", "https://controlplane.test:443", "--token", controlplane.Token(),
		"--ollama-url", "http://127.0.0.1:1", "--name", "behind",
	}
	// Where the proxy is not to be asked, it isn't.
	code, out := command(t, []string{"HTTPS_PROXY=http://" + proxy.address, "NO_PROXY=controlplane.test"}, "corral-agent", join...)
	if code != 1 || !strings.Contains(out, "could not be reached") || proxy.connects.Load() != 0 {
		t.Fatalf("status %d, %d connections through the proxy: %s", code, proxy.connects.Load(), out)
	}
	code, out = command(t, []string{"HTTPS_PROXY=http://" + proxy.address, "NO_PROXY="}, "corral-agent", join...)
	if code != 0 || proxy.connects.Load() != 1 {
		t.Fatalf("status %d, %d connections through the proxy: %s", code, proxy.connects.Load(), out)
	}
	agent := lab.Start(corraltest.Command{
		Path: corraltest.Bin(t, "corral-agent"),
		Args: []string{"run", "--data-dir", folder, "--ollama-mode", "attached", "--ollama-url", "http://127.0.0.1:1"},
		Env:  []string{"HTTPS_PROXY=http://" + proxy.address, "NO_PROXY="},
	})
	controlplane.AwaitHost(connectLimit, "behind", "is connected", corraltest.Reachable)
	agent.Stop()
}
