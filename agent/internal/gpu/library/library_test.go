//go:build cgo

package library

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:embed symbols.h
var symbols string

// A function that is not in the list is one that can end the process.
func TestTheListIsWhatTheBindingCalls(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "pkg/nvml/*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the binding's files: %v, %v", files, err)
	}
	want := names(t, files, `C\.(nvml[A-Z]\w*)\(`)
	want = slices.DeleteFunc(want, func(name string) bool { return name == "nvmlErrorString" }) // it returns a text, and is in the code
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^X\((\w+)\)$`).FindAllStringSubmatch(symbols, -1) {
		got = append(got, m[1])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("symbols.h (-what the binding calls +what it has):\n%s", d)
	}
}

func names(t *testing.T, files []string, pattern string) []string {
	t.Helper()
	var found []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(b), -1) {
			found = append(found, m[1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestALibraryThatIsNotThere(t *testing.T) {
	if path, ok := Open("libnvidia-ml-of-nobody.so.1"); ok {
		t.Errorf("it was found in %q", path)
	}
}
