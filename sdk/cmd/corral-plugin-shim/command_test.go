package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/program"
)

func TestPackIsTold(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugin")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":         {nil, program.ExitUsage, "say \"pack\""},
		"no command":      {[]string{"pack", "-o", plugin}, program.ExitUsage, "a command"},
		"no output":       {[]string{"pack", "--", "node", "main.js"}, program.ExitUsage, "--output"},
		"an unknown flag": {[]string{"pack", "--nonsense"}, program.ExitUsage, "unknown flag"},
		"no folder":       {[]string{"pack", "-o", plugin, "--dir", "/nowhere/at/all", "--", "node"}, program.ExitFailed, "/nowhere/at/all"},
		"help":            {[]string{"--help"}, program.ExitOK, "corral-plugin-shim pack [flags]"},
		"a plugin":        {[]string{"pack", "-o", plugin, "--dir", dir, "--", "node", "main.js", "--flag"}, program.ExitOK, "is a plugin"},
	} {
		var out bytes.Buffer
		code := program.Run("corral-plugin-shim", &out, func(context.Context) error { return run(self, c.args, &out, &out) })
		if code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %d, %s", name, code, &out)
		}
	}
	if err := exec.Command(plugin, "-test.run=^$").Run(); err != nil {
		t.Errorf("what was copied is no program any more: %v", err)
	}
}
