package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestSystemdUnits has systemd read the units that we ship. Programs stand in
// for those of /usr/bin, which are not there where tests run.
func TestSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "systemd") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, test := range []struct {
		name, start string
		exposure    float64 // at most, of 10
	}{
		{"corral-agent", "/usr/bin/corral-agent ", 3.0},
		{"corral-controlplane", "/usr/bin/corral-controlplane ", 1.5},
		{"corral-ollama@", "ollama ", 3.0},
	} {
		t.Run(test.name, func(t *testing.T) {
			unit := filepath.Join(t.TempDir(), test.name+".service")
			text, err := os.ReadFile(filepath.Join("..", "configs", "systemd", test.name+".service"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "\nExecStart="+test.start) {
				t.Fatalf("the unit does not start %s", test.start)
			}
			runnable := strings.ReplaceAll(string(text), "ExecStart="+test.start, "ExecStart=/bin/true ")
			if err := os.WriteFile(unit, []byte(runnable), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) != 0 {
				t.Errorf("systemd-analyze verify: %v\n%s", err, out)
			}
			out, err := exec.Command(analyze, "security", "--offline=true", unit).CombinedOutput()
			if err != nil {
				t.Fatalf("systemd-analyze security: %v\n%s", err, out)
			}
			// Whatever filter comes first decides whether the rest is allowed or denied.
			if !strings.Contains(string(out), "System call allow list defined") {
				t.Error("its filter of system calls allows those that it does not name")
			}
			level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
			if level == nil {
				t.Fatalf("no exposure level in\n%s", out)
			}
			if got, err := strconv.ParseFloat(string(level[1]), 64); err != nil || got > test.exposure {
				t.Errorf("exposure is %s, want at most %v: %v", level[1], test.exposure, err)
			}
		})
	}
}
