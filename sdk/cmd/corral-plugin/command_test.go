package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/program"
)

// ran is what came of a command line.
type ran struct {
	code           int
	stdout, stderr string
}

func runs(t *testing.T, args ...string) ran {
	t.Helper()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	var stdout, stderr bytes.Buffer
	code := program.Run("corral-plugin", &stderr, func(ctx context.Context) error {
		return run(ctx, args, nil, nothing, &stdout, &stderr)
	})
	return ran{code, stdout.String(), stderr.String()}
}

func TestWhatCannotWorkIsAUsageErrorThatHelps(t *testing.T) {
	empty := t.TempDir()
	text := filepath.Join(empty, "text")
	if err := os.WriteFile(text, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing":          {nil, "name a command"},
		"an unknown one":   {[]string{"build"}, `no command "build"`},
		"new alone":        {[]string{"new"}, "a name"},
		"another kind":     {[]string{"new", "printer", "x"}, "no plugins of the kind"},
		"no name":          {[]string{"new", "storage", "My Store"}, "lower case letters"},
		"no module":        {[]string{"new", "storage", "x", "--module", "a b"}, "path of a module"},
		"no SDK":           {[]string{"new", "storage", "x", "--sdk", empty}, "is not the SDK"},
		"an unknown flag":  {[]string{"new", "storage", "x", "--nonsense"}, "unknown flag"},
		"nowhere":          {[]string{"dev", "/nowhere/at/all"}, "there is no /nowhere/at/all"},
		"no module to run": {[]string{"dev", empty}, "there is no go.mod"},
		"no program":       {[]string{"test", text}, "neither a folder nor a program"},
		"no log level":     {[]string{"dev", empty, "--log-level", "loud"}, "no log level"},
		"nothing to test":  {[]string{"test"}, "name one plugin"},
	} {
		got := runs(t, c.args...)
		if got.code != program.ExitUsage || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"new", "--help"}, {"dev", "-h"}, {"test", "--help"}} {
		if got := runs(t, args...); got.code != program.ExitOK || !strings.Contains(got.stdout+got.stderr, "Usage:\n  corral-plugin") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := runs(t, "version"); got.stdout != "dev\n" {
		t.Errorf("%+v", got)
	}
	if got := runs(t, "test", "--list"); got.code != program.ExitOK || !strings.Contains(got.stdout, "| ST-STAT-001 |") {
		t.Errorf("%+v", got)
	}
}

// A plugin that does not compile is not checked; what the compiler says is what its
// author reads.
func TestAPluginThatDoesNotCompileIsToldSo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module m\n\ngo 1.26.0\n", "main.go": "package main\n\nfunc main() { missing() }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := runs(t, "test", dir)
	if got.code != program.ExitFailed || !strings.Contains(got.stderr, "does not compile") || !strings.Contains(got.stderr, "undefined: missing") {
		t.Errorf("%+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runs(t, "test", dir); got.code != program.ExitFailed || !strings.Contains(got.stderr, "no package main") {
		t.Errorf("%+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := test(t.Context(), []string{dir}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "did not get ready") {
		t.Errorf("a program that is no plugin: %v", err)
	}
}
