package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// TestPluginsAreCertified has plugincheck say of each of our plugins, as they are
// built, that it keeps the whole contract.
func TestPluginsAreCertified(t *testing.T) {
	for name, config := range map[string]string{
		"corral-plugin-storage-fs": "directory: " + t.TempDir() + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(corraltest.Bin(t, "plugincheck"), corraltest.Bin(t, name), "-c", file, "--json").Output()
			var report struct {
				Results []struct {
					ID, Verdict string
					Faults      []string
				}
			}
			if parsed := json.Unmarshal(out, &report); parsed != nil || len(report.Results) == 0 {
				t.Fatalf("%v, %v\n%s", err, parsed, out)
			}
			if err != nil {
				t.Error(err)
			}
			for _, r := range report.Results {
				if r.Verdict != "passed" {
					t.Errorf("%s: %s %q", r.ID, r.Verdict, r.Faults)
				}
			}
		})
	}
}
