package fleet

import (
	"context"
	"encoding/json"
	"regexp"
	"time"
)

// Storage is a configured place where files are kept, as it is stored.
type Storage struct {
	Name   string
	Plugin string          // the name of the plugin that serves it
	Config json.RawMessage // a JSON object for the plugin, without the secrets
	// Secrets are the fields of the configuration that are kept apart, by their
	// paths. They are shown to nobody but the plugin.
	Secrets map[string]string
	// Schema is the version of the plugin's configuration that Config is of; 0 is the
	// one that the plugin has now.
	Schema int
	// HostsRead is that hosts may run the plugin themselves, and are given the
	// configuration with its secrets for that. Without it files go through here where the
	// service has no addresses to give away.
	HostsRead bool
	CreatedAt time.Time
	ChangedAt time.Time
}

var storageName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// GoodStorageName reports whether a storage can be called so: 1 to 63 lower case
// letters, digits and dashes, with no dash at the ends.
func GoodStorageName(name string) bool { return storageName.MatchString(name) }

// StorageStore keeps the storages that operators configure.
type StorageStore interface {
	// CreateStorage stores a new one; a name that is taken is fault.Conflict.
	CreateStorage(ctx context.Context, s Storage) error
	// Storages returns all of them, by name.
	Storages(ctx context.Context) ([]Storage, error)
	// SaveStorage replaces all but CreatedAt of the one of this name; one that is
	// not there is fault.NotFound.
	SaveStorage(ctx context.Context, s Storage) error
	// RemoveStorage forgets one, its secrets included; one that is not there is
	// fault.NotFound. The files stay where they are.
	RemoveStorage(ctx context.Context, name string) error
}
