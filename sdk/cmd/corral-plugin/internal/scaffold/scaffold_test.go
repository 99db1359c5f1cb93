package scaffold

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sdk is the SDK that this package is part of.
func sdk(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// What is written is built and certified by the tests of the built programs.
func TestAPluginIsWritten(t *testing.T) {
	p := Plugin{Kind: "storage", Name: "my-store", Dir: filepath.Join(t.TempDir(), "new"), SDK: sdk(t)}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, err := os.ReadDir(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
		text, err := os.ReadFile(filepath.Join(p.Dir, f.Name()))
		if err != nil || strings.Contains(string(text), "{{") {
			t.Errorf("%s: %v\n%s", f.Name(), err, text)
		}
		if strings.HasSuffix(f.Name(), ".go") {
			if _, err := parser.ParseFile(token.NewFileSet(), f.Name(), text, parser.AllErrors); err != nil {
				t.Error(err)
			}
		}
	}
	if want := []string{".gitignore", "README.md", "backend.go", "backend_test.go", "config.yaml", "go.mod", "main.go"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	mod, err := os.ReadFile(filepath.Join(p.Dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module corral-plugin-storage-my-store\n\ngo 1.") || !strings.Contains(string(mod), "=> "+sdk(t)+"\n") {
		t.Errorf("%v\n%s", err, mod)
	}
	if err := p.Write(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second time: %v", err)
	}
}

func TestALoaderIsWritten(t *testing.T) {
	p := Plugin{Kind: "loader", Name: "my-format", Dir: filepath.Join(t.TempDir(), "new"), SDK: sdk(t)}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".gitignore", "README.md", "go.mod", "loader.go", "loader_test.go", "main.go", "testdata/good/small/model.my-format", "testdata/bad/empty/model.my-format"} {
		text, err := os.ReadFile(filepath.Join(p.Dir, filepath.FromSlash(name)))
		if err != nil || strings.Contains(string(text), "{{") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		if strings.HasSuffix(name, ".go") {
			if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.AllErrors); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTheSDKIsWhereTheProgramWasInstalled(t *testing.T) {
	for _, place := range []string{"sdk", "share/corral/sdk"} {
		prefix := t.TempDir()
		dir := filepath.Join(prefix, place)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		executable := filepath.Join(prefix, "bin", "corral-plugin")
		if found, err := FindSDK("", nil, executable); err == nil {
			t.Errorf("%s is taken for it", found)
		}
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(sdkModule), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := FindSDK("", nil, executable); err != nil || found != dir {
			t.Errorf("%q, %v", found, err)
		}
		if found, err := FindSDK("", []string{SDKVariable + "=" + sdk(t)}, executable); err != nil || found != sdk(t) {
			t.Errorf("by the variable: %q, %v", found, err)
		}
		if found, err := FindSDK(dir, []string{SDKVariable + "=/nowhere"}, executable); err != nil || found != dir {
			t.Errorf("by its name: %q, %v", found, err)
		}
	}
}
