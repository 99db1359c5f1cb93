package cli

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/status"
)

var update = flag.Bool("update", false, "write the golden files")

// cli runs the program as main does.
func cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	environ := []string{"GOMAXPROCS=2"} // else the rest of the tests would keep to one processor
	code = Main("1.2.3", args, environ, &out, &errs)
	return code, out.String(), errs.String()
}

func TestVersion(t *testing.T) {
	if code, out, errs := cli(t, "version"); code != 0 || out != "1.2.3\n" || errs != "" {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestHelp(t *testing.T) {
	for name, args := range map[string][]string{
		"help": nil, "help-run": {"run"}, "help-status": {"status"}, "help-join": {"join"}, "help-leave": {"leave"}, "help-doctor": {"doctor"}, "help-gpu": {"gpu"}, "help-gpu-release": {"gpu", "release"},
	} {
		code, got, errs := cli(t, append(args, "--help")...)
		if code != 0 || errs != "" {
			t.Errorf("%s: %d %q", name, code, errs)
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: (go test ./internal/cli -update writes it anew)\n%s", name, diff)
		}
	}
	if code, out, _ := cli(t); code != 0 || !strings.Contains(out, "Usage:") {
		t.Errorf("without arguments: %d %q", code, out)
	}
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	f := func(args []string, said ...string) {
		t.Helper()
		code, out, errs := cli(t, args...)
		if code != 2 || out != "" {
			t.Errorf("%q: exit code %d, it printed %q and %q", args, code, out, errs)
		}
		for _, want := range append(said, "corral-agent: ") {
			if !strings.Contains(errs, want) {
				t.Errorf("%q: it says %q, without %q", args, errs, want)
			}
		}
	}
	f([]string{"frobnicate"}, "frobnicate")
	f([]string{"run", "now"}, "now")
	f([]string{"status", "now"}, "now")
	f([]string{"version", "now"}, "now")
	f([]string{"run", "--frobnicate"}, "frobnicate")
	f([]string{"run", "--name"}, "--name")
	f([]string{"run", "--data-dir", dir}, "--server")
	f([]string{"run", "--data-dir", dir, "--server", "http://127.0.0.1:1"}, "--token")
	// Every fault is listed at once.
	f([]string{"run", "--data-dir", dir, "--server", "gopher://x", "--log-level", "loud", "--token", "secret"}, "server", "log_level", "token")
	f([]string{"status", "--data-dir", dir, "--log-level", "loud"}, "log_level")
}

func TestTheTokenIsNotPrinted(t *testing.T) {
	_, out, errs := cli(t, "run", "--data-dir", t.TempDir(), "--server", "http://127.0.0.1:1", "--token", "crt_hush-hush")
	if strings.Contains(out+errs, "hush") {
		t.Errorf("it printed %q and %q", out, errs)
	}
}

func TestStatusWithoutAnAgent(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := cli(t, "status", "--data-dir", dir)
	if code != 1 || out != "" || !strings.Contains(errs, "no agent answers at "+filepath.Join(dir, "agent.sock")) {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestStatusOfAnAgent(t *testing.T) {
	f := func(report status.Report, want string) {
		t.Helper()
		dir := t.TempDir()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		server := status.New("unix", filepath.Join(dir, "agent.sock"), func() status.Report { return report }, nil, hclog.NewNullLogger())
		go func() { ended <- server.Run(ctx) }()
		code, out, errs := 1, "", ""
		for late := time.Now().Add(10 * time.Second); code != 0 && time.Now().Before(late); time.Sleep(time.Millisecond) {
			code, out, errs = cli(t, "status", "--data-dir", dir)
		}
		if code != 0 || errs != "" {
			t.Errorf("exit code %d, %q", code, errs)
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Error(diff)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	f(status.Report{
		Version: "1.2.3", Joined: true, HostID: "h1", Host: "rack-1", Connected: true, Server: "https://c:11435",
		Ollama: status.Ollama{Mode: "managed", State: "ready", Version: "0.17.4", Models: 2},
		GPUs:   status.GPUs{State: "ok", Source: "recorded:dgxh100", Driver: "570.1", Count: 8},
	}, `host      rack-1 (h1)
agent     1.2.3, connected to https://c:11435
ollama    managed, ready, version 0.17.4, 2 models
gpus      8, not real: recorded:dgxh100, driver 570.1
`)
	f(status.Report{
		Version: "1.2.3", Ollama: status.Ollama{Mode: "attached", State: "stopped"},
		GPUs:     status.GPUs{State: "probe_crashed", Message: "The GPU probe ended with status 2.", Count: 8},
		Problems: []string{"not connected to the control plane yet", "Ollama is stopped: nothing answers"},
	}, `host      not joined
agent     1.2.3, not connected
ollama    attached, stopped
gpus      probe_crashed: The GPU probe ended with status 2.
problem   not connected to the control plane yet
problem   Ollama is stopped: nothing answers
`)
}
