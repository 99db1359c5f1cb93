package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/config/obscure"

	"github.com/corral-fleet/corral/sdk/config"
)

// settings are those of one remote.
type settings struct {
	Type    string            `yaml:"type" help:"which of rclone's backends, such as sftp, webdav or drive; see https://rclone.org/overview"`
	Root    string            `yaml:"root" help:"where in the service the objects are kept: a folder, or a bucket and a folder in it; what is in there is Corral's"`
	Options map[string]string `yaml:"options" help:"the backend's options, with the names that they have in rclone.conf"`
	Secrets config.Secret     `yaml:"secret_options" help:"those of the options that are secret, each as name = value on a line of its own; passwords as they are, not obscured"`
}

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	info, err := fs.Find(s.Type)
	if err != nil {
		report("type", "has to be one of rclone's backends, such as sftp or webdav")
		return
	}
	if info.Name == "local" && s.Root == "" {
		report("root", "has to be a directory")
	}
	secrets, ok := s.secrets()
	if !ok {
		report("secret_options", "has to be lines of the form name = value")
	}
	known := func(name string) bool {
		return slices.ContainsFunc(info.Options, func(o fs.Option) bool { return o.Name == name })
	}
	for name := range s.Options {
		if !known(name) {
			report("options", "%s has no option %q", s.Type, name)
		}
	}
	for name := range secrets {
		if !known(name) {
			report("secret_options", "%s has no option %q", s.Type, name)
		}
	}
}

// secrets returns the options that are secret, and false where they can't be read.
func (s *settings) secrets() (map[string]string, bool) {
	all, ok := map[string]string{}, true
	for line := range strings.Lines(s.Secrets.Reveal()) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		ok = ok && found
		all[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return all, ok
}

// values returns all options as rclone reads them, which has passwords obscured.
func (s *settings) values(info *fs.RegInfo) (configmap.Simple, error) {
	all := configmap.Simple{}
	maps.Copy(all, s.Options)
	secrets, _ := s.secrets() // what can't be read was told as a fault of its field
	maps.Copy(all, secrets)
	for _, o := range info.Options {
		value, ok := all[o.Name]
		if !ok || !o.IsPassword {
			continue
		}
		obscured, err := obscure.Obscure(value)
		if err != nil {
			return nil, err
		}
		all[o.Name] = obscured
	}
	return all, nil
}
