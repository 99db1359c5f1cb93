package sqlite

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet/fleettest"
)

func TestStoresKeepTheirPromises(t *testing.T) {
	fleettest.Run(t, func(t *testing.T) fleettest.Stores {
		db := openTest(t, t.TempDir())
		return fleettest.Stores{Keys: db, Tokens: db, Hosts: db, Settings: db, Counters: db, Storages: db, Catalogue: db, Operations: db, Uploads: db, Samples: db, Usage: db}
	})
}

// openTest opens a directory's files and closes them when the test ends.
func openTest(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := Open(t.Context(), dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}
