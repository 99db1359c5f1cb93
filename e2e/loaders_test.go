package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
	"github.com/corral-fleet/corral/sdk/plugin"
)

// TestLoadersAreCertified has plugincheck say of each of our loaders, as they are
// built, that it keeps the whole contract.
func TestLoadersAreCertified(t *testing.T) {
	for _, name := range loaderPlugins(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certify(t, corraltest.Bin(t, "corral-plugin-"+name), "", func(id, verdict string) bool {
				return verdict == "passed" || id == "PL-CONFIG-002" && verdict == "not declared" // they have no settings
			})
		})
	}
}

// loaderPlugins are the folders of our loaders.
func loaderPlugins(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(repository, "plugins", "loader-*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("there are no loaders, %v", err)
	}
	var names []string
	for _, f := range folders {
		names = append(names, filepath.Base(f))
	}
	return names
}

// TestEachModelHasItsLoader asks all of our loaders of each sample, as the control plane
// does: who gets it, whose it is not, and whether two are equally sure.
func TestEachModelHasItsLoader(t *testing.T) {
	t.Parallel()
	loaders := map[string]loader.Loader{}
	formats := map[string]bool{}
	for _, name := range loaderPlugins(t) {
		l, of := startLoader(t, name)
		loaders[of] = l
	}
	matrix, err := loadertest.Confuse(t.Context(), loaders, loadertest.Corpus())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range matrix {
		for _, claim := range c.Claims {
			formats[claim.Format] = true
		}
	}
	known := slices.Sorted(maps.Keys(formats))
	if len(known) < len(loaders) {
		t.Errorf("%d loaders know %q", len(loaders), known)
	}
	for _, c := range matrix {
		if wrong := c.Wrong(known); wrong != "" {
			t.Error(wrong)
		}
	}
}

// startLoader starts a loader as it was built, and returns it with its name.
func startLoader(t *testing.T, program string) (l loader.Loader, name string) {
	t.Helper()
	path := corraltest.Bin(t, "corral-plugin-"+program)
	digest, err := host.Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "p") //nolint:usetesting // a test's name makes it too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	running, err := host.Start(t.Context(), host.Program{Path: path, SHA256: digest, RunDir: run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Stop)
	described, err := running.Describe(t.Context())
	var d plugin.Description
	if err == nil {
		err = json.Unmarshal(described, &d)
	}
	if err != nil || d.Kind != "loader" || !strings.HasSuffix(program, "-"+d.Name) {
		t.Fatalf("%+v, %v", d, err)
	}
	opened, err := running.OpenLoader(t.Context(), host.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	return opened, d.Name
}
