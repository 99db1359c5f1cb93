// Package scaffold writes the beginning of a plugin.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"
)

// templates are the files of plugins, those of any kind and of each, with what stands
// behind their names. Those whose names begin with a dot are written as "dot-".
//
//go:embed any loader storage
var templates embed.FS

const suffix = ".tmpl"

// Plugin is one that is to be written.
type Plugin struct {
	Kind   string // storage or loader
	Name   string // lower case letters, digits and dashes
	Module string // its module's path
	Dir    string // where it is written to, absolute
	SDK    string // folder of the SDK, absolute
}

var (
	plainName  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)
)

// Complete fills in what was left out, and checks what was not.
func (p *Plugin) Complete() error {
	if !plainName.MatchString(p.Name) {
		return fmt.Errorf("%q can't be the name of a plugin: lower case letters, digits and single dashes can, such as %q", p.Name, "my-store")
	}
	if p.Kind != "storage" && p.Kind != "loader" {
		return fmt.Errorf("there are no plugins of the kind %q: there are storage and loader", p.Kind)
	}
	program := p.Program()
	if p.Module == "" {
		p.Module = program
	}
	if p.Dir == "" {
		p.Dir = program
	}
	if !modulePath.MatchString(p.Module) {
		return fmt.Errorf("%q can't be the path of a module, such as example.com/me/%s", p.Module, program)
	}
	dir, err := filepath.Abs(p.Dir)
	p.Dir = dir
	return err
}

// Write writes the plugin's files. Where the folder has something already, nothing
// is written.
func (p *Plugin) Write() error {
	switch have, err := os.ReadDir(p.Dir); {
	case err == nil && len(have) > 0:
		return fmt.Errorf("%s is there already, and not empty: name another folder with --dir", p.Dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, folder := range []string{"any", p.Kind} {
		if err := p.writeAll(folder); err != nil {
			return err
		}
	}
	if p.Kind == "loader" {
		return p.writeSamples()
	}
	return nil
}

func (p *Plugin) writeAll(folder string) error {
	files, err := fs.Sub(templates, folder)
	if err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(p.Dir, name), 0o755)
		}
		return p.write(files, name)
	})
}

func (p *Plugin) write(files fs.FS, name string) (err error) {
	t, err := template.New(path.Base(name)).Option("missingkey=error").ParseFS(files, name)
	if err != nil {
		return err
	}
	target := strings.TrimSuffix(strings.Replace(name, "dot-", ".", 1), suffix)
	f, err := os.OpenFile(filepath.Join(p.Dir, target), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return t.Execute(f, p)
}

// Program is what its executable is called.
func (p *Plugin) Program() string { return "corral-plugin-" + p.Kind + "-" + p.Name }

// Go is the language's version that the SDK needs at least, as go.mod says it.
func (p *Plugin) Go() (string, error) {
	text, err := os.ReadFile(filepath.Join(p.SDK, "go.mod"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "go "); ok && version.IsValid("go"+v) {
			return v, nil
		}
	}
	return strings.TrimPrefix(runtime.Version(), "go"), nil
}
