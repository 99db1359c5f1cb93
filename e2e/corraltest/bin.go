package corraltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const probe = "corral-gpuprobe"

// folders are where the programs' sources are, from the root of the workspace.
// The probe alone calls C.
func folders() map[string]string {
	return map[string]string{
		"corral":              "controlplane/cmd/corral",
		"corral-controlplane": "controlplane/cmd/corral-controlplane",
		"corral-agent":        "agent/cmd/corral-agent",
		probe:                 "agent/cmd/corral-gpuprobe",
		"corral-modelworker":  "agent/cmd/corral-modelworker",
		"corral-plugin":       "sdk/cmd/corral-plugin",
		"corral-plugin-shim":  "sdk/cmd/corral-plugin-shim",
		"plugincheck":         "sdk/cmd/plugincheck",

		"corral-plugin-storage-fs":     "plugins/storage-fs",
		"corral-plugin-storage-s3":     "plugins/storage-s3",
		"corral-plugin-storage-azblob": "plugins/storage-azblob",
		"corral-plugin-storage-gcs":    "plugins/storage-gcs",
		"corral-plugin-storage-rclone": "plugins/storage-rclone",
		"corral-plugin-loader-gguf":    "plugins/loader-gguf",
		"corral-plugin-loader-lora":    "plugins/loader-lora",

		"corral-plugin-loader-safetensors": "plugins/loader-safetensors",
		"corral-plugin-loader-modelfile":   "plugins/loader-modelfile",
	}
}

// BinDir returns the folder with the built programs: CORRAL_BIN_DIR where that
// is set, else one in the workspace's cache, into which they are built.
func BinDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("CORRAL_BIN_DIR"); dir != "" {
		return dir
	}
	dir, err := build()
	if err != nil {
		t.Fatalf("build the programs: %v", err)
	}
	return dir
}

// Bin returns the path of a built program.
func Bin(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(BinDir(t), name)
}

// build builds the programs once in the life of the test program.
var build = sync.OnceValues(func() (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".cache", "e2e", "bin")
	for name, folder := range folders() {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(dir, name), ".")
		cmd.Dir = filepath.Join(root, folder)
		cgo := "CGO_ENABLED=0"
		if name == probe {
			cgo = "CGO_ENABLED=1"
		}
		cmd.Env = append(os.Environ(), cgo)
		if _, err := os.Stat(filepath.Join(cmd.Dir, "go.mod")); err == nil { // it is not in the workspace
			cmd.Env = append(cmd.Env, "GOWORK=off")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// Root returns the folder with go.work, in which or below which the test runs.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.work in %s or above", start)
		}
	}
}
