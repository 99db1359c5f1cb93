// Package fakenvml makes a library like NVIDIA's, for tests. What its cards do is
// said while they are asked; testdata/nvml.c has the words for it.
package fakenvml

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

//go:embed testdata/nvml.c
var code []byte

// Name is the file that the dynamic linker looks for.
const Name = "libnvidia-ml.so.1"

// Library is one that was built.
type Library struct {
	Dir string // with the file [Name]

	object  string // what it is linked of
	control string
	calls   string
}

// New builds a library with all functions that the probe may call.
func New(t testing.TB) *Library {
	t.Helper()
	object, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := &Library{
		object:  filepath.Join(dir, "nvml.o"),
		control: filepath.Join(dir, "control"), calls: filepath.Join(dir, "calls"),
	}
	if err := os.WriteFile(l.object, object, 0o600); err != nil {
		t.Fatal(err)
	}
	l.Say(t)
	l.Forget(t)
	l.Dir = l.link(t)
	return l
}

// compiled is the code, compiled once in the life of the test program.
var compiled = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "fakenvml")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, object := filepath.Join(dir, "nvml.c"), filepath.Join(dir, "nvml.o")
	if err := os.WriteFile(source, code, 0o600); err != nil {
		return nil, err
	}
	module, err := run("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml")
	if err != nil {
		return nil, err
	}
	headers := filepath.Join(strings.TrimSpace(module), "pkg", "nvml") // the binding has NVIDIA's
	if _, err := run("gcc", "-c", "-fPIC", "-O1", "-Wall", "-Werror", "-Wno-deprecated-declarations", "-I", headers, "-o", object, source); err != nil {
		return nil, err
	}
	return os.ReadFile(object)
})

func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(out), nil
}

// Without returns the same library without some of its functions. What is said
// to one is said to both.
func (l *Library) Without(t testing.TB, functions ...string) *Library {
	t.Helper()
	other := *l
	other.Dir = l.link(t, functions...)
	return &other
}

// link hides functions: a library does not have what it does not tell of.
func (l *Library) link(t testing.TB, hidden ...string) string {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "symbols")
	local := strings.Join(append(hidden, ""), "; ")
	if err := os.WriteFile(script, []byte("{ global: nvml*; local: "+local+"none; };\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run("gcc", "-shared", "-Wl,--version-script="+script, "-o", filepath.Join(dir, Name), l.object); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Say says what the cards do from now on.
func (l *Library) Say(t testing.TB, lines ...string) {
	t.Helper()
	next := l.control + ".next"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, l.control); err != nil { // it is read meanwhile
		t.Fatal(err)
	}
}

// Env is what a program is to have in its environment, to find this library.
func (l *Library) Env() []string {
	return []string{"LD_LIBRARY_PATH=" + l.Dir, "FAKE_NVML=" + l.control, "FAKE_NVML_CALLS=" + l.calls}
}

// Call is a call of a function.
type Call struct {
	Function string
	Card     int // -1 for none
	Argument int
}

// Calls are those that were made since [Library.Forget].
func (l *Library) Calls(t testing.TB) []Call {
	t.Helper()
	b, err := os.ReadFile(l.calls)
	if err != nil {
		t.Fatal(err)
	}
	var calls []Call
	for line := range strings.Lines(string(b)) {
		var c Call
		if _, err := fmt.Sscan(line, &c.Function, &c.Card, &c.Argument); err != nil {
			t.Fatalf("a call %q: %v", line, err)
		}
		calls = append(calls, c)
	}
	return calls
}

// Count is how often a function was called for a card with an argument.
func (l *Library) Count(t testing.TB, want Call) int {
	t.Helper()
	n := 0
	for _, c := range l.Calls(t) {
		if c == want {
			n++
		}
	}
	return n
}

// Forget forgets the calls.
func (l *Library) Forget(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(l.calls, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
