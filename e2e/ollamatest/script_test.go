package ollamatest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The script's own logic is tested with tools that are quick or broken; that it
// builds the real Ollama is what the other tests stand on.
const (
	quickGo = `case "$1" in
mod) echo "{ \"Dir\": \"$TOOLS\" }" ;;
install) echo "$@" >>"$TOOLS/builds"; echo "$CGO_CXXFLAGS" >"$GOBIN/ollama"; chmod +x "$GOBIN/ollama" ;;
esac`
	brokenGo = `case "$1" in
mod) echo "{ \"Dir\": \"$TOOLS\" }" ;;
install) echo "fatal error: no such header"; exit 1 ;;
esac`
)

// tools are the programs that the script finds before the real ones.
type tools struct {
	t   *testing.T
	dir string
}

func newTools(t *testing.T, programs map[string]string) tools {
	t.Helper()
	k := tools{t, t.TempDir()}
	k.write("miniaudio.h", "", 0o644)
	for name, body := range programs {
		k.write(name, "#!/bin/sh\n"+body+"\n", 0o755)
	}
	return k
}

func (k tools) write(name, content string, mode os.FileMode) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(content), mode); err != nil {
		k.t.Fatal(err)
	}
}

// run runs the script with its cache in the tools' folder.
func (k tools) run(subcommand string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(k.t.Context(), "../../scripts/ollama.sh", subcommand)
	cmd.Env = append(os.Environ(), "PATH="+k.dir+":"+os.Getenv("PATH"), "TOOLS="+k.dir, "CORRAL_CACHE="+k.dir+"/cache")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func TestScriptBuildsOnce(t *testing.T) {
	k := newTools(t, map[string]string{"go": quickGo, "g++": "exit 0"})
	var paths [4]string
	var wg sync.WaitGroup
	for i := range paths {
		wg.Go(func() {
			out, stderr, err := k.run("path")
			if err != nil || !strings.Contains(stderr, "https://ollama.com/download") {
				t.Errorf("%v: %s", err, stderr)
			}
			paths[i] = strings.TrimSuffix(out, "\n")
		})
	}
	wg.Wait()
	flags, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatalf("no program at the printed path: %v", err)
	}
	if want := "-I" + k.dir + "/cache/ollama/include\n"; !strings.HasSuffix(string(flags), want) {
		t.Errorf("it was built with %s, want %s at the end", flags, want)
	}
	if d := cmp.Diff([4]string{paths[0], paths[0], paths[0], paths[0]}, paths); d != "" {
		t.Errorf("paths differ:\n%s", d)
	}
	builds, err := os.ReadFile(k.dir + "/builds")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(builds, []byte("\n")); n != 1 {
		t.Errorf("%d builds, want one:\n%s", n, builds)
	}
	newest, _, err := k.run("newest")
	if err != nil || newest == paths[0]+"\n" {
		t.Errorf("newest is %q (%v), the test build too", newest, err)
	}
}

func TestScriptFails(t *testing.T) {
	f := func(subcommand string, programs map[string]string, want string) {
		t.Helper()
		k := newTools(t, programs)
		out, stderr, err := k.run(subcommand)
		if err == nil || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s prints %q and %q (%v), want an error with %q", subcommand, out, stderr, err, want)
		}
		left, err := filepath.Glob(k.dir + "/cache/ollama/*.*/*")
		if err != nil || len(left) > 0 {
			t.Errorf("%s left %v (%v)", subcommand, left, err)
		}
	}
	f("path", map[string]string{"go": brokenGo, "g++": "exit 0"}, "fatal error: no such header")
	f("path", map[string]string{"go": quickGo, "g++": "exit 1", "id": "echo 1000"}, "apt-get install g++ nlohmann-json3-dev libstb-dev")
	f("path", map[string]string{"go": quickGo, "g++": "exit 1", "id": "echo 0", "apt-get": "exit 100"}, "could not install g++")
	f("path", map[string]string{"go": "exit 1", "g++": "exit 0"}, "malgo@v0.11.24 could not be downloaded")
	f("", nil, "usage: ollama.sh path|newest|find")
}

func TestScriptFindsOnPath(t *testing.T) {
	k := newTools(t, map[string]string{"ollama": "exit 0"})
	if out, stderr, err := k.run("find"); err != nil || out != filepath.Join(k.dir, "ollama")+"\n" {
		t.Errorf("find prints %q and %q (%v)", out, stderr, err)
	}
}
