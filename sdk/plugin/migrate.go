package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
)

// Option is something of a plugin that most can do without.
type Option func(*versions)

// Migration brings a stored configuration of an older version to the present one, in
// place: it renames fields, changes their units, moves secrets. It reaches nothing and
// judges nothing. An error of it is shown to operators.
//
// from is the version that it is of, 1 at least: do what each version since has
// changed, in turn. Numbers are [json.Number], sections maps in config. Secrets are by
// the paths of their fields, with dots; an empty one is none.
type Migration func(from int, config map[string]any, secrets map[string]string) error

// Migrate says that the configuration is of a version, from 2 on; without it, it is of
// version 1. A new version is one that does not take what the one before took, or
// takes it for something else. Configurations stay stored in the version in which they
// were saved, so that an older program of the plugin can be gone back to. One that is
// newer than version is refused.
func Migrate(version int, migrate Migration) Option {
	return func(v *versions) { v.present, v.migration = version, migrate }
}

// versions are those of a configuration.
type versions struct {
	present   int
	migration Migration // nil where there is one version
}

func versionsOf(options []Option) versions {
	v := versions{present: 1}
	for _, set := range options {
		set(&v)
	}
	return v
}

func (v versions) version() int { return v.present }

// migrate returns a configuration in the present version.
func (v versions) migrate(c pluginrpc.Configuration) (pluginrpc.Configuration, error) {
	switch {
	case c.Version > v.present:
		return c, fault.New(fault.Invalid,
			"the configuration was saved for a newer version of the plugin: it has version %d, and this plugin knows %d at most",
			c.Version, v.present).On(fault.Caller)
	case c.Version == 0 || c.Version == v.present || v.migration == nil:
		c.Version = v.present
		return c, nil
	}
	fields, err := fieldsOf(c.JSON)
	if err != nil {
		return c, err
	}
	secrets := maps.Clone(c.Secrets)
	if secrets == nil {
		secrets = map[string]string{}
	}
	if err := v.migration(c.Version, fields, secrets); err != nil {
		return c, v.failed(c.Version, err)
	}
	maps.DeleteFunc(secrets, func(_, value string) bool { return value == "" })
	body, err := json.Marshal(fields)
	if err != nil {
		return c, v.failed(c.Version, err)
	}
	return pluginrpc.Configuration{Version: v.present, JSON: body, Secrets: secrets}, nil
}

func (v versions) failed(from int, err error) error {
	return fault.Wrap(fault.Invalid, err, "the configuration can't be brought from version %d to %d: %s", from, v.present, fmt.Sprint(err)).On(fault.Caller)
}

// fieldsOf returns what a configuration sets.
func fieldsOf(body []byte) (map[string]any, error) {
	fields := map[string]any{}
	if len(body) == 0 {
		return fields, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil || fields == nil {
		return nil, fault.Wrap(fault.Invalid, err, "the configuration has to be a JSON object").On(fault.Caller)
	}
	return fields, nil
}
