package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// TestPluginsThatOnlyReadAreCertified has plugincheck say so of those whose files others
// publish, with what a server is known to have.
func TestPluginsThatOnlyReadAreCertified(t *testing.T) {
	files := map[string][]byte{"model.gguf": bytes.Repeat([]byte("weights"), 100_000), "config.json": []byte("{}\n"), "folder/empty.txt": nil}
	for _, c := range []struct {
		plugin  string
		publish func(t *testing.T) (config string, objects map[string][]byte)
		cannot  []string
	}{
		{plugin: "storage-http", publish: func(t *testing.T) (string, map[string][]byte) {
			dir := folderOf(t, files)
			if err := os.WriteFile(filepath.Join(dir, "index.txt"), []byte("model.gguf\nconfig.json\nfolder/empty.txt\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			t.Cleanup(server.Close)
			return fmt.Sprintf("urls: [%q]\nindex: index.txt\n", server.URL+"/"), files
		}, cannot: []string{"ST-PRESIGN-004", "ST-READ-014"}},
		{plugin: "storage-hf", publish: func(t *testing.T) (string, map[string][]byte) {
			server := servertest.Hub(t)
			server.Publish("acme/tiny", files)
			return fmt.Sprintf("endpoint: %s\ntoken: %s\n", server.Endpoint, server.Token), below("acme/tiny@main/", files)
		}},
		{plugin: "storage-registry", publish: func(t *testing.T) (string, map[string][]byte) {
			server := servertest.Registry(t, "corral")
			manifest, config := server.Publish("library/tiny", "1b", servertest.RegistryLayer{MediaType: "application/vnd.ollama.image.model", Content: files["model.gguf"]})
			return fmt.Sprintf("endpoint: %s\nusername: %s\npassword: %s\n", server.Endpoint, server.Username, server.Password),
				below("library/tiny:1b/", map[string][]byte{"model.gguf": files["model.gguf"], "manifest.json": manifest, "config.json": config})
		}},
	} {
		t.Run(c.plugin, func(t *testing.T) {
			t.Parallel()
			config, objects := c.publish(t)
			certify(t, corraltest.Bin(t, "corral-plugin-"+c.plugin), config, func(id, verdict string) bool {
				says := strings.HasPrefix(id, "ST-READ-") || id == "ST-PRESIGN-004" || strings.HasPrefix(id, "PL-") && !slices.Contains(putChecks, id)
				return !slices.Contains(c.cannot, id) && (verdict == "passed" || !says && verdict == "not declared") || slices.Contains(c.cannot, id) && verdict == "not declared"
			}, "--objects", folderOf(t, objects))
		})
	}
}

// putChecks are those of the process that put something.
var putChecks = []string{"PL-CRASH-001", "PL-CRASH-002", "PL-SWEEP-001", "PL-PAGE-001", "PL-FREEZE-002", "PL-END-002", "PL-INSTANCE-004"}

// below returns files by their paths in a folder.
func below(folder string, files map[string][]byte) map[string][]byte {
	all := map[string][]byte{}
	for path, content := range files {
		all[folder+path] = content
	}
	return all
}

// folderOf returns a folder with files.
func folderOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range files {
		at := filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// rcloneConfig returns the configuration of storage-rclone for a server of S3.
func rcloneConfig(t *testing.T) string {
	s := servertest.S3(t)
	return fmt.Sprintf("type: s3\nroot: %s/models\noptions: {provider: Other, endpoint: %q, region: %s, access_key_id: %s, no_check_bucket: \"true\"}\nsecret_options: |\n  secret_access_key = %s\n",
		s.Bucket, s.Endpoint, s.Region, s.AccessKeyID, s.SecretAccessKey)
}

// certify has plugincheck check a plugin with a configuration. Each check has to end
// with a verdict that is accepted.
func certify(t *testing.T, plugin, config string, accept func(id, verdict string) bool, flags ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(corraltest.Bin(t, "plugincheck"), append([]string{plugin, "-c", file, "--json"}, flags...)...).Output()
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
