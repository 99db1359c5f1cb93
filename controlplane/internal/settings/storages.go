package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/config"
)

// StorageEntry is a storage of the settings file.
type StorageEntry struct {
	Name    string            `json:"name"`
	Plugin  string            `json:"plugin"`
	Config  json.RawMessage   `json:"config"`
	Secrets map[string]string `json:"secrets"` // fields of the configuration, by their paths
	// ConfigVersion is the version of the plugin's configuration that Config is of; 0
	// is the one that the plugin has now.
	ConfigVersion int `json:"config_version"`
	// HostsRead lets hosts run the plugin themselves, with all of the configuration.
	HostsRead bool `json:"hosts_read"`
	// SecretFiles are files that hold one such field each.
	SecretFiles map[string]string `json:"secret_files"`
}

// maxSecretBytes is the largest file that holds one secret.
const maxSecretBytes = 64 << 10

// readStorage reads an element of the list.
func readStorage(o config.Object) (StorageEntry, error) {
	e := StorageEntry{}
	decoder := json.NewDecoder(bytes.NewReader(o.JSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return e, fmt.Errorf("%s can't be a %s", wrong.Field, wrong.Value)
		}
		return e, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if len(e.Config) == 0 {
		e.Config = json.RawMessage("{}")
	}
	switch {
	case !fleet.GoodStorageName(e.Name):
		return e, fmt.Errorf("name: %q is not 1 to 63 lower case letters, digits and dashes", e.Name)
	case e.Plugin == "":
		return e, errors.New("plugin: has to name one, such as fs")
	case e.ConfigVersion < 0:
		return e, errors.New("config_version: has to be 1 or above")
	case e.Config[0] != '{':
		return e, errors.New("config: wants a section with keys")
	}
	for field, path := range e.SecretFiles {
		text, err := readSecret(path)
		if err != nil {
			return e, fmt.Errorf("secret_files.%s: %w", field, err)
		}
		if e.Secrets == nil {
			e.Secrets = map[string]string{}
		}
		if _, twice := e.Secrets[field]; twice {
			return e, fmt.Errorf("secret_files.%s: is among the secrets as well", field)
		}
		e.Secrets[field] = text
	}
	return e, nil
}

func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(text) > maxSecretBytes {
		return "", fmt.Errorf("%s is larger than %s", path, config.Size(maxSecretBytes))
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// StorageEntries returns the storages of the settings file, each with where it
// stands. The settings have to be valid.
func (l *Loaded) StorageEntries() (entries []StorageEntry, setIn []string) {
	for _, o := range l.Config.Storages {
		if e, err := readStorage(o); err == nil {
			entries, setIn = append(entries, e), append(setIn, o.Origin(l.Origins.Of("storages")).String())
		}
	}
	return entries, setIn
}

func (c *Config) validateStorages(report config.Report) {
	seen := map[string]bool{}
	for i, o := range c.Storages {
		e, err := readStorage(o)
		switch {
		case err != nil:
			report(fmt.Sprintf("storages[%d]", i), "%v", err)
		case seen[e.Name]:
			report(fmt.Sprintf("storages[%d]", i), "the name %q is there twice", e.Name)
		}
		seen[e.Name] = true
	}
}
