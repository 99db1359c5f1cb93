// Package gotool has the go command build what an author writes, and says in a
// sentence what is wrong where that fails.
package gotool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Target is a plugin as its author has it: the folder of a main package, or a
// program that something else has built.
type Target struct {
	Path     string // absolute
	IsFolder bool
}

// At returns what is at an absolute path.
func At(path string) (Target, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Target{}, fmt.Errorf("there is no %s", path)
	case err != nil:
		return Target{}, err
	case info.IsDir():
		return Target{path, true}, hasModule(path)
	case info.Mode().Perm()&0o111 == 0:
		return Target{}, fmt.Errorf("%s is neither a folder nor a program that can be run", path)
	}
	return Target{path, false}, nil
}

// hasModule returns an error where a folder is not part of a module.
func hasModule(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return nil
		}
		if at == filepath.Dir(at) {
			return fmt.Errorf("there is no go.mod in %s: name the folder that \"corral-plugin new\" has written, or a plugin's program", dir)
		}
	}
}

// Build builds a folder's program to a path, and returns where the program is.
func (t Target) Build(ctx context.Context, to string) (string, error) {
	if !t.IsFolder {
		return t.Path, nil
	}
	if err := run(ctx, t.Path, "build", "-trimpath", "-o", to, "."); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "the plugin does not compile").On(fault.Caller)
	}
	info, err := os.Stat(to)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", fault.New(fault.Invalid, "%s is no program: it has no package main", t.Path).On(fault.Caller)
	}
	return to, nil
}

// Tidy has a module name all that it needs.
func Tidy(ctx context.Context, dir string) error { return run(ctx, dir, "mod", "tidy") }

// run runs the go command in a folder. What it says becomes the error.
func run(ctx context.Context, dir string, args ...string) error {
	tool, err := exec.LookPath("go")
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "there is no go command in PATH; https://go.dev/doc/install tells how to get it").On(fault.Caller)
	}
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = dir
	// A plugin is built by its own go.mod alone, as others will build it.
	cmd.Env = append(os.Environ(), "GOWORK=off")
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if text := strings.TrimSpace(string(bytes.ToValidUTF8(said, []byte("?")))); text != "" {
		return fmt.Errorf("\"go %s\" says:\n%s", args[0], text)
	}
	return err
}
