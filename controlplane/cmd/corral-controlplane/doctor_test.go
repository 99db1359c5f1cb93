package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/checkup"
)

// examined has the doctor look, and returns its checks by name.
func examined(t *testing.T, code int, args ...string) map[string]checkup.Check {
	t.Helper()
	got := run(t, nil, append([]string{"doctor", "--json"}, args...)...)
	if got.code != code {
		t.Errorf("exit code %d, want %d: %s%s", got.code, code, got.stdout, got.stderr)
	}
	var list []checkup.Check
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	checks := map[string]checkup.Check{}
	for _, c := range list {
		checks[c.Name] = c
	}
	return checks
}

func wantCheck(t *testing.T, when string, checks map[string]checkup.Check, name string, status checkup.Status, evidence string) {
	t.Helper()
	if c := checks[name]; c.Status != status || !strings.Contains(c.Evidence, evidence) || (status == checkup.OK) != (c.Mend == "") {
		t.Errorf("%s: %s is %+v, want %s with %q", when, name, c, status, evidence)
	}
}

// freePort returns a port of loopback that nobody listened on a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestDoctor looks at a control plane before its first start, while it runs, and
// when it was killed, stopped and damaged.
func TestDoctor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	where := []string{"--data-dir", dir, "--listen", "127.0.0.1:0"}
	checks := examined(t, 0, where...)
	wantCheck(t, "before", checks, "data directory", checkup.OK, "made at the first start")
	if _, err := os.Stat(dir); err == nil {
		t.Error("the doctor made the data directory")
	}

	s := serve(t, where...)
	checks = examined(t, 0, where...)
	wantCheck(t, "running", checks, "server", checkup.Warning, "version dev, since") // the one that looks is version test
	wantCheck(t, "running", checks, "address", checkup.OK, s.address+" answers with our certificate")
	wantCheck(t, "running", checks, "database state.db", checkup.OK, "whole")
	wantCheck(t, "running", checks, "database metrics.db", checkup.OK, "whole")
	wantCheck(t, "running", checks, "database usage.db", checkup.OK, "whole")
	wantCheck(t, "running", checks, "server certificate", checkup.OK, "controlplane.corral.internal")
	wantCheck(t, "running", checks, "certificate authority", checkup.OK, "until")
	wantCheck(t, "running", checks, "open files", checkup.OK, "may be open")
	wantCheck(t, "running", checks, "last stop", checkup.OK, "no run")
	wantCheck(t, "running", checks, "settings that need a restart", checkup.OK, "none")
	wantCheck(t, "running", checks, "hosts", checkup.OK, "none has joined")

	save := func(settings string) {
		t.Helper()
		state, err := sqlite.OpenState(t.Context(), dir, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		if err := state.SaveSettings(context.Background(), []byte(settings)); err != nil {
			t.Fatal(err)
		}
		if err := state.Close(); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	save(fmt.Sprintf(`{"monitoring.prometheus_port": %d, "security.jwt_secret": %q}`, port, strings.Repeat("s", 32)))
	checks = examined(t, 0, where...)
	wantCheck(t, "saved", checks, "settings that need a restart", checkup.Warning, fmt.Sprintf("monitoring.prometheus_port is 0, and %d", port))

	s.signal(syscall.SIGKILL)
	s.wait()
	checks = examined(t, 0, where...)
	wantCheck(t, "killed", checks, "server", checkup.Warning, "none serves")
	wantCheck(t, "killed", checks, "last stop", checkup.Warning, "killed or crashed")
	wantCheck(t, "killed", checks, "address", checkup.OK, "is free")

	s = serve(t, where...)
	checks = examined(t, 0, where...)
	wantCheck(t, "again", checks, "last stop", checkup.Warning, "killed or crashed")
	s.signal(syscall.SIGTERM)
	s.wait()
	s = serve(t, where...) // which remembers it
	checks = examined(t, 0, where...)
	wantCheck(t, "once more", checks, "last stop", checkup.Warning, "killed or crashed")
	s.signal(syscall.SIGTERM)
	s.wait()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	save(`{"server.timeout": -1}`)
	if err := os.WriteFile(filepath.Join(dir, "metrics.db"), []byte("this is no database any more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "pki", "ca.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	checks = examined(t, 1, "--data-dir", dir, "--listen", taken.Addr().String())
	wantCheck(t, "broken", checks, "address", checkup.Failed, "is taken")
	wantCheck(t, "broken", checks, "saved settings", checkup.Failed, "server.timeout")
	wantCheck(t, "broken", checks, "database metrics.db", checkup.Failed, "damaged")
	wantCheck(t, "broken", checks, "certificate authority", checkup.Failed, "0644")

	checks = examined(t, 1, append(where, "--log-level", "loud")...)
	wantCheck(t, "settings", checks, "settings", checkup.Failed, "log_level")
	if len(checks) != 1 {
		t.Errorf("with wrong settings: %+v", checks)
	}
	if got := run(t, nil, append([]string{"doctor"}, where...)...); !strings.Contains(got.stdout, "ok       settings: every one is valid\n") {
		t.Errorf("for people it says\n%s", got.stdout)
	}
}
