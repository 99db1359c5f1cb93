package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
)

// TestTheGuideForAuthorsRuns goes an author's way: in an empty folder, with what is
// built in PATH, it runs what the guide says and writes the files that it shows.
func TestTheGuideForAuthorsRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := absolute(t, filepath.Dir(corraltest.Bin(t, "corral-plugin")))
	printed := map[string]string{} // by the block
	for _, block := range fencedBlock.FindAllStringSubmatch(read(t, filepath.Join(repository, "docs", "plugin-authors.md")), -1) {
		if _, name, ok := strings.Cut(block[1], "file="); ok {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if block[1] != "sh run" {
			continue
		}
		cmd := outside(t, dir, "/bin/bash", "-euo", "pipefail", "-c", block[2]+"\npwd >&3")
		cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"), "CORRAL_PLUGIN_SDK="+absolute(t, filepath.Join(repository, "sdk")))
		at, err := os.CreateTemp(t.TempDir(), "pwd")
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = []*os.File{at}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, block[2], out)
		}
		printed[block[2]] = string(out)
		dir = strings.TrimSpace(read(t, at.Name()))
	}
	for command, want := range map[string]string{
		"corral-plugin test . -c config.yaml\n":                  `(?m)^\d+ passed, \d+ not declared$`,
		"corral-plugin dev ":                                     `(?s)notes 0\.1\.0 serves.*docs/readme has \d+ bytes.*1 objects.*\nput +8388608 bytes`,
		"corral-plugin test . -c config.yaml --junit report.xml": `(?s)it can: .*copy.*passed +ST-COPY-001.*passed, `,
		"corral-plugin test . --samples testdata\n":              `(?m)^\d+ passed, 1 not declared$`,
		"probe testdata/good/small\n":                            `(?s)boxed 0\.1\.0 serves.*confidence +100.*"architecture": "llama".*"quantize": "q8_0"`,
		"describe":                                               `"name": "notes"(?s:.*)"endpoint"(?s:.*)"secrets": \[\s*"password"`,
	} {
		found := false
		for block, out := range printed {
			found = found || strings.Contains(block, command) && regexp.MustCompile(want).MatchString(out)
		}
		if !found {
			t.Errorf("no block with %q prints %s\n%v", command, want, printed)
		}
	}
}

// contract is the page that promises what stays.
func contract(t *testing.T) string {
	t.Helper()
	return read(t, filepath.Join(repository, "docs", "plugin-contract.md"))
}

func TestTheContractPageListsTheChecks(t *testing.T) {
	t.Parallel()
	want, err := exec.Command(corraltest.Bin(t, "plugincheck"), "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	const head = "| id | sentence | capability |\n| --- | --- | --- |\n"
	_, have, ok := strings.Cut(contract(t), head)
	if !ok || have != string(want) {
		t.Errorf("the table of checks is out of date: it is what `plugincheck --list` prints, at the end of docs/plugin-contract.md")
	}
}

func TestTheContractPageKnowsTheWire(t *testing.T) {
	t.Parallel()
	page := contract(t)
	methods := regexp.MustCompile(`(?m)^  rpc (\w+)\(`)
	for _, schema := range []string{"plugin", "storage", "loader"} {
		text := read(t, filepath.Join(repository, "sdk", "proto", "corral", schema, "v1", schema+".proto"))
		for _, method := range methods.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(page, "`"+method[1]+"`") {
				t.Errorf("it does not tell of %s", method[1])
			}
		}
	}
	for _, kind := range fault.Kinds() {
		if row := fmt.Sprintf("| `%s` | %d |", kind, kind); !strings.Contains(page, row) {
			t.Errorf("it does not have %s", row)
		}
	}
	for bit := storage.Capabilities(1); bit.String() != ""; bit <<= 1 {
		if row := fmt.Sprintf("| %d | `%s` |", bit, bit); !strings.Contains(page, row) {
			t.Errorf("it does not have %s", row)
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[plugin.Description]()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !strings.Contains(page, "`"+key+"`") {
			t.Errorf("it does not tell of the key %s of describe", key)
		}
	}
}

// TestAPluginStartsAsTheContractPageSays starts one with the variables of the page,
// and looks at the line that it prints and at its end.
func TestAPluginStartsAsTheContractPageSays(t *testing.T) {
	t.Parallel()
	cookie := regexp.MustCompile("\\| `(CORRAL_PLUGIN)` \\| `([^`]+)`").FindStringSubmatch(contract(t))
	if cookie == nil {
		t.Fatal("the page does not tell the cookie")
	}
	sockets, err := os.MkdirTemp("", "s") //nolint:usetesting // a test's name makes it too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(sockets)
	cmd := exec.Command(corraltest.Bin(t, "corral-plugin-storage-fs"))
	cmd.Env = []string{cookie[1] + "=" + cookie[2], "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR=" + sockets}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	line := make([]byte, 4096)
	n, err := lines.Read(line)
	if want := regexp.MustCompile(`^1\|1\|unix\|` + regexp.QuoteMeta(sockets) + `/[^|]+\|grpc\|`); err != nil || !want.Match(line[:n]) {
		t.Errorf("%q, %v", line[:n], err)
	}
	lifeline.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it goes on without its host")
	}
}

// TestExitCodesOfPlugincheck holds the program to the page.
func TestExitCodesOfPlugincheck(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("directory: relative\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fs := corraltest.Bin(t, "corral-plugin-storage-fs")
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"no plugin":             {nil, 2},
		"a wrong configuration": {[]string{fs, "-c", config}, 2},
		"none at all":           {[]string{"/bin/true"}, 1},
		"the list":              {[]string{"--list"}, 0},
	} {
		out, err := exec.Command(corraltest.Bin(t, "plugincheck"), c.args...).CombinedOutput()
		if code := exitCode(err); code != c.want {
			t.Errorf("%s: %d\n%s", name, code, out)
		}
		if name == "a wrong configuration" && !bytes.Contains(out, []byte("directory: has to be an absolute path")) {
			t.Errorf("%s: %s", name, out)
		}
	}
	out, err := exec.Command(fs, "describe").Output()
	var d plugin.Description
	if err != nil || json.Unmarshal(out, &d) != nil || d.Name != "fs" {
		t.Errorf("%v, %s", err, out)
	}
}

func exitCode(err error) int {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // of Run
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
