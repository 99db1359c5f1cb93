package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"go.yaml.in/yaml/v3"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/host"
)

// TestTheStoragesThatAreDocumentedAreValid has each plugin look at the configurations
// in docs/storage.md that are for it, and wants one for each plugin that is built.
func TestTheStoragesThatAreDocumentedAreValid(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corraltest.Root(t), "docs", "storage.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]map[string]any{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
		var file struct {
			Storages []struct {
				Name, Plugin string
				Config       map[string]any
			}
		}
		if err := yaml.Unmarshal(block[1], &file); err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		for _, s := range file.Storages {
			documented[s.Plugin] = append(documented[s.Plugin], s.Config)
		}
	}
	built, err := filepath.Glob(filepath.Join(corraltest.BinDir(t), "corral-plugin-storage-*"))
	if err != nil || len(built) == 0 {
		t.Fatalf("%d plugins are built, %v", len(built), err)
	}
	for _, path := range built {
		name := strings.TrimPrefix(filepath.Base(path), "corral-plugin-storage-") // as "plugin" in the settings
		if len(documented[name]) == 0 {
			t.Errorf("%s is not in docs/storage.md", name)
		}
		p := startPlugin(t, path)
		for _, config := range documented[name] {
			body, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			faults, err := p.Check(t.Context(), host.Configuration{JSON: body}, false)
			if err != nil || len(faults) > 0 {
				t.Errorf("%s: %v, %v\n%s", name, faults, err, body)
			}
		}
	}
}

func startPlugin(t *testing.T, path string) *host.Process {
	t.Helper()
	digest, err := host.Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "corral") //nolint:usetesting // a socket's path may not be as long as a test's name makes it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p, err := host.Start(t.Context(), host.Program{Path: path, SHA256: digest, RunDir: dir, Log: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}
