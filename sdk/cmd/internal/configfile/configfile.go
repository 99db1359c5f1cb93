// Package configfile reads the configuration of a plugin's instance from a file, for
// the tools of plugins' authors.
package configfile

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/program"
)

// Read reads a configuration, with the secrets that the plugin names apart.
func Read(path string, secrets []string) (host.Configuration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return host.Configuration{}, program.Usage(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return host.Configuration{}, program.Usage(fmt.Errorf("%s: %w", path, err))
	}
	c := host.Configuration{Secrets: map[string]string{}}
	for _, path := range secrets {
		if v, ok := cut(values, path); ok {
			c.Secrets[path] = fmt.Sprint(v)
		}
	}
	c.JSON, err = json.Marshal(values)
	return c, err
}

// cut takes the value at a path out of a configuration.
func cut(values map[string]any, path string) (any, bool) {
	first, rest, nested := strings.Cut(path, ".")
	if nested {
		section, ok := values[first].(map[string]any)
		if !ok {
			return nil, false
		}
		return cut(section, rest)
	}
	v, ok := values[first]
	delete(values, first)
	return v, ok
}
