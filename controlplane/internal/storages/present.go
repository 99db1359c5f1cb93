package storages

import (
	"cmp"
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// presentTimeout is how long is waited for plugins before configurations are shown as
// they are stored.
const presentTimeout = 2 * time.Second

// stored is the configuration of a storage as it is stored.
func stored(st *fleet.Storage) Configuration {
	return Configuration{JSON: st.Config, Secrets: st.Secrets, Schema: st.Schema}
}

// present returns the configuration of a storage in the version that its plugin has
// now, or as it is stored where that can't be had. It stays stored as it is until
// somebody saves it, so that an older version of the plugin can be gone back to.
func (s *Service) present(ctx context.Context, e *entry) Configuration {
	c := stored(&e.Storage)
	if is := e.instance.Condition().State; is == Starting || is == Disabled {
		return c
	}
	about, err := s.Plugins.Describe(ctx, e.Plugin)
	if err != nil {
		return c
	}
	now, err := s.migrate(ctx, e, about.Schema)
	if err != nil {
		return c // that its plugin does not take it is the storage's status
	}
	return now
}

// migrate returns the configuration of a storage in the version that its plugin has
// now. One that is of that or of a newer version is as it is stored.
func (s *Service) migrate(ctx context.Context, e *entry, now int) (Configuration, error) {
	c := stored(&e.Storage)
	c.Schema = cmp.Or(c.Schema, now)
	if c.Schema >= now {
		return c, nil
	}
	return s.Plugins.Migrate(ctx, e.Plugin, c)
}
