package fleet_test

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// noon is when everything here happens.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// model is one in a store, with its size to tell versions apart.
func model(name, digest string, size int64) fleet.HostModel {
	return fleet.HostModel{Name: name, Digest: digest, SizeBytes: size, ModifiedAt: noon().Add(time.Duration(size) * time.Second)}
}

// ready is an instance that serves these models.
func ready(name string, models ...fleet.HostModel) fleet.Instance {
	return fleet.Instance{Name: name, State: fleet.InstanceReady, ModelsKnown: true, Models: models}
}

// registry returns a registry with a connected host for each id, named after it.
func registry(ids ...string) *fleet.Registry {
	r := fleet.NewRegistry(nil)
	for _, id := range ids {
		r.Put(fleet.Host{ID: id, Name: "name of " + id})
		r.Connect(id, 1, noon(), 0)
	}
	return r
}
