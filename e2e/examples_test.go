package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// The examples are plugins as others write them: outside of the workspace, with a
// module of their own, or in another language.

func TestTheExampleInGoIsCertified(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(repository, "examples", "storage-sqlite")
	plugin := filepath.Join(t.TempDir(), "plugin")
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"build", "-trimpath", "-o", plugin, "."}} {
		if out, err := outside(t, dir, "go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	certify(t, plugin, "file: "+filepath.Join(t.TempDir(), "objects.db")+"\n", passedOrUndeclared)
}

func TestTheExampleInNodeIsCertified(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(repository, "examples", "storage-node")
	installModules(t, dir)
	// Beside the folder, because where that is from the plugin stays the same.
	plugin := filepath.Join(dir, "corral-plugin-storage-node")
	cmd := outside(t, dir, "npm", "run", "build")
	cmd.Env = append(cmd.Env, "CORRAL_PLUGIN_SHIM="+absolute(t, corraltest.Bin(t, "corral-plugin-shim")), "CORRAL_PLUGIN_SDK="+absolute(t, filepath.Join(repository, "sdk")))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm run build: %v\n%s", err, out)
	}
	certify(t, plugin, "directory: "+t.TempDir()+"\n", passedOrUndeclared)
}

// outside is a command as somebody runs it who has nothing of the workspace.
func outside(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	return cmd
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// passedOrUndeclared accepts a plugin that does what it says it does.
func passedOrUndeclared(_, verdict string) bool {
	return verdict == "passed" || verdict == "not declared"
}
