package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
)

// storageFolder is where in the data directory the files are where nobody has
// configured a storage.
const storageFolder = "storage"

// builtInStorage is the storage of a server that nobody configured.
func builtInStorage(dataDir string) (fleet.Storage, error) {
	folder, err := filepath.Abs(filepath.Join(dataDir, storageFolder))
	if err != nil {
		return fleet.Storage{}, err
	}
	body, err := json.Marshal(map[string]string{"directory": folder})
	return fleet.Storage{Name: "default", Plugin: "fs", Config: body, Schema: 1}, err
}

// storages returns the storages, with what was saved of them.
func (c *ControlPlane) storages(ctx context.Context, store fleet.StorageStore, serving storages.Plugins, events *fleet.Events) (*storages.Service, error) {
	builtIn, err := builtInStorage(c.loaded.Config.DataDir)
	if err != nil {
		return nil, err
	}
	s := storages.New(storages.Options{
		Store: store, Plugins: serving, Pinned: pinnedStorages(&c.loaded), BuiltIn: builtIn, Events: events, Log: c.log.Named("storages"), Now: c.now,
	})
	if err := s.Load(ctx); err != nil {
		return nil, fmt.Errorf("load storages: %w", err)
	}
	return s, nil
}

// pinnedStorages are those of the settings file.
func pinnedStorages(loaded *settings.Loaded) []storages.Pinned {
	entries, setIn := loaded.StorageEntries()
	pinned := make([]storages.Pinned, 0, len(entries))
	for i, e := range entries {
		pinned = append(pinned, storages.Pinned{
			Storage: fleet.Storage{Name: e.Name, Plugin: e.Plugin, Config: e.Config, Secrets: e.Secrets, Schema: e.ConfigVersion, HostsRead: e.HostsRead}, SetIn: setIn[i],
		})
	}
	return pinned
}

// storageStatus is how the storages are, in the words of the summary.
func storageStatus(s *storages.Service) func() []summary.StorageStatus {
	return func() []summary.StorageStatus {
		list := []summary.StorageStatus{}
		for _, v := range s.States() {
			one := summary.StorageStatus{Name: v.Name, Status: string(v.Status)}
			if isProblem(&v) {
				one.Problem = fmt.Sprintf("storage %q is %s: %s", v.Name, v.Status, v.Message)
			}
			list = append(list, one)
		}
		return list
	}
}

// isProblem reports whether somebody should look after a storage. That nobody has
// installed the plugin of the one that is built in is none.
func isProblem(v *storages.View) bool {
	switch v.Status {
	case storages.Ready, storages.Starting:
		return false
	case storages.Disabled:
		return v.Origin != storages.BuiltIn
	}
	return true
}
