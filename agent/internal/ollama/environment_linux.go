package ollama

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files of a unit's environment in its instance's folder: what it is told at
// its next start, which the unit reads, and what the one that runs was told.
const (
	envFile        = "ollama.env"
	startedEnvFile = "ollama.started.env"
)

// envHead begins the file that the unit reads.
const envHead = "# Written by the Corral agent from its settings. Changes here are lost.\n"

func (s *Supervisor) envPath() string     { return filepath.Join(s.cfg.DataDir, envFile) }
func (s *Supervisor) startedPath() string { return filepath.Join(s.cfg.DataDir, startedEnvFile) }

// writeEnvironment writes what the unit is told at its next start. A file that
// says so already is left as old as it is.
func (s *Supervisor) writeEnvironment() error {
	lines := []string{envHead}
	for _, entry := range append(s.cfg.Settings.env(), always(s.configuredAddress())...) {
		line, err := environmentLine(entry)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, "")
	before, err := os.ReadFile(s.envPath())
	if err == nil && string(before) == text {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceFile(s.envPath(), text)
}

// environmentLine writes an entry as systemd reads it from a file.
func environmentLine(entry string) (string, error) {
	name, value, _ := strings.Cut(entry, "=")
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("the value of %s has characters that no file of an environment can have", name)
	}
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(value) + "\"\n", nil
}

func replaceFile(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// noteStarted keeps what a process was told that was started at a time, where
// that can still be known.
func (s *Supervisor) noteStarted(at time.Time) error {
	info, err := os.Stat(s.envPath())
	if err != nil || info.ModTime().After(at) {
		return err
	}
	text, err := os.ReadFile(s.envPath())
	if err != nil {
		return err
	}
	return replaceFile(s.startedPath(), string(text))
}

// pending returns what the process that was started at a time was told and what
// is set now, and reports whether that differs. Where it is no longer known what it
// was told, was is nil.
func (s *Supervisor) pending(at time.Time) (was, is map[string]string, differs bool) {
	info, err := os.Stat(s.envPath())
	if err != nil || !info.ModTime().After(at) {
		return nil, nil, false
	}
	now, err := os.ReadFile(s.envPath())
	if err != nil {
		return nil, nil, false
	}
	is = entries(string(now))
	started, err := os.ReadFile(s.startedPath())
	if err != nil {
		return nil, is, true
	}
	was = entries(string(started))
	return was, is, !maps.Equal(was, is)
}

// changes returns in words in which entries two environments differ.
func changes(was, is map[string]string) []string {
	names := map[string]bool{}
	for _, env := range []map[string]string{was, is} {
		for name := range env {
			names[name] = true
		}
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, had := was[name]
		b, has := is[name]
		switch {
		case a == b && had == has:
		case !had:
			words = append(words, fmt.Sprintf("%s to %s", name, b))
		case !has:
			words = append(words, fmt.Sprintf("%s from %s to Ollama's own", name, a))
		default:
			words = append(words, fmt.Sprintf("%s from %s to %s", name, a, b))
		}
	}
	return words
}

// entries returns the entries of a file of ours, each value as it is written there.
func entries(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			found[name] = strings.Trim(value, `"`)
		}
	}
	return found
}
