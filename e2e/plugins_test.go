package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// TestPluginsAreCertified has plugincheck say of each of our plugins, as they are
// built, that it keeps the whole contract, with a real service behind it.
func TestPluginsAreCertified(t *testing.T) {
	for _, c := range []struct {
		plugin string
		config func(t *testing.T) string // of an instance, as YAML
		// cannot are the checks that say nothing of what its service can't do.
		cannot []string
	}{
		{plugin: "storage-fs", config: func(t *testing.T) string { return "directory: " + t.TempDir() + "\n" }, cannot: []string{
			"ST-PRESIGN-001", "ST-PRESIGN-002", "ST-PRESIGN-003", "ST-PRESIGN-004",
		}},
		{plugin: "storage-s3", config: func(t *testing.T) string { return servertest.S3(t).Config("models/") }, cannot: []string{"ST-LOCATE-001", "ST-LOCATE-002", "ST-LOCATE-003"}},
		{plugin: "storage-azblob", config: func(t *testing.T) string { return servertest.Azure(t).Config("models/") }, cannot: []string{"ST-LOCATE-001", "ST-LOCATE-002", "ST-LOCATE-003", "ST-SWEEP-001", "ST-SWEEP-002", "ST-SWEEP-003", "ST-SWEEP-004", "PL-SWEEP-001"}},
		{plugin: "storage-gcs", config: func(t *testing.T) string { return servertest.GCS(t).Config("models/") }, cannot: []string{
			"ST-LOCATE-001", "ST-LOCATE-002", "ST-LOCATE-003", "ST-SWEEP-001", "ST-SWEEP-002", "ST-SWEEP-003", "ST-SWEEP-004", "PL-SWEEP-001",
			"ST-PRESIGN-001", "ST-PRESIGN-002", "ST-PRESIGN-003", "ST-PRESIGN-004", // the emulator signs nothing
		}},
		{plugin: "storage-rclone", config: rcloneConfig, cannot: []string{
			"ST-CREATE-001", "ST-CREATE-002", "ST-CREATE-003", "ST-CREATE-004", "ST-CREATE-005", "ST-ADDRESS-001",
			"ST-LOCATE-001", "ST-LOCATE-002", "ST-LOCATE-003",
			"ST-PRESIGN-001", "ST-PRESIGN-002", "ST-PRESIGN-003", "ST-PRESIGN-004",
		}},
	} {
		t.Run(c.plugin, func(t *testing.T) {
			t.Parallel()
			certify(t, corraltest.Bin(t, "corral-plugin-"+c.plugin), c.config(t), func(id, verdict string) bool {
				onlyReads := strings.HasPrefix(id, "ST-READ-") // which is for those that can't be written to
				return verdict == map[bool]string{true: "not declared", false: "passed"}[onlyReads || slices.Contains(c.cannot, id)]
			})
		})
	}
}

// rcloneConfig returns the configuration of storage-rclone for a server of S3.
func rcloneConfig(t *testing.T) string {
	s := servertest.S3(t)
	return fmt.Sprintf("type: s3\nroot: %s/models\noptions: {provider: Other, endpoint: %q, region: %s, access_key_id: %s, no_check_bucket: \"true\"}\nsecret_options: |\n  secret_access_key = %s\n",
		s.Bucket, s.Endpoint, s.Region, s.AccessKeyID, s.SecretAccessKey)
}

// certify has plugincheck check a plugin with a configuration. Each check has to end
// with a verdict that is accepted.
func certify(t *testing.T, plugin, config string, accept func(id, verdict string) bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(corraltest.Bin(t, "plugincheck"), plugin, "-c", file, "--json").Output()
	var report struct {
		Results []struct {
			ID, Verdict string
			Faults      []string
		}
	}
	if parsed := json.Unmarshal(out, &report); parsed != nil || len(report.Results) == 0 {
		t.Fatalf("%v, %v\n%s", withStderr(err), parsed, out)
	}
	if err != nil {
		t.Error(err)
	}
	for _, r := range report.Results {
		if !accept(r.ID, r.Verdict) {
			t.Errorf("%s: %s %q", r.ID, r.Verdict, r.Faults)
		}
	}
}
