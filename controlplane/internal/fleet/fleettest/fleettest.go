// Package fleettest checks that a store keeps every promise that the store
// interfaces of package fleet make. Each subtest is one of their sentences.
package fleettest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Stores are the stores of one new, empty place.
type Stores struct {
	Keys       fleet.KeyStore
	Tokens     fleet.TokenStore
	Hosts      fleet.HostStore
	Settings   fleet.SettingsStore
	Counters   fleet.CounterStore
	Storages   fleet.StorageStore
	Catalogue  fleet.CatalogueStore
	Operations fleet.OperationStore
	Uploads    fleet.UploadStore
	Samples    fleet.SampleStore
	Usage      fleet.UsageStore
}

// Run checks the stores that open makes. It is called for each subtest, whose
// t it may use to clean up.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	t.Helper()
	check := func(name string, sentences []sentence) {
		t.Run(name, func(t *testing.T) {
			for _, s := range sentences {
				t.Run(s.name, func(t *testing.T) { s.check(t, open(t)) })
			}
		})
	}
	check("Keys", keySentences())
	check("Tokens", tokenSentences())
	check("Hosts", hostSentences())
	check("Enrol", enrolSentences())
	check("Settings", settingsSentences())
	check("Counters", counterSentences())
	check("Storages", storageSentences())
	check("Catalogue", catalogueSentences())
	check("Operations", operationSentences())
	check("Uploads", uploadSentences())
	check("Samples", sampleSentences())
	check("Usage", usageSentences())
}

// sentence is one promise and its check.
type sentence struct {
	name  string
	check func(t *testing.T, s Stores)
}

// noon is when everything here happens. Stores keep times to the microsecond.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got takes the results of a call, and gives the value to a test that the error
// ends: got(store.Keys(ctx))(t).
func got[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return value
	}
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if kind := fault.KindOf(err); kind != want {
		t.Errorf("error is %v (%v), want kind %v", err, kind, want)
	}
}

func wantEqual(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
