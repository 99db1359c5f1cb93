package sqlite

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestExpiredLoginLinksAreForgotten(t *testing.T) {
	db := openTest(t, t.TempDir())
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := db.CreateKey(t.Context(), fleet.Key{ID: "k1", Name: "laptop", Hash: []byte("key"), CreatedAt: noon}); err != nil {
		t.Fatal(err)
	}
	create := func(hash string, now time.Time) {
		t.Helper()
		if err := db.CreateLoginLink(t.Context(), []byte(hash), "k1", now, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	create("spent", noon)
	create("waiting", noon)
	if id, err := db.SpendLoginLink(t.Context(), []byte("spent"), noon); err != nil || id != "k1" {
		t.Fatalf("spent for %q, %v", id, err)
	}
	create("later", noon.Add(time.Minute))
	var left int
	if err := db.State.readers.QueryRowContext(t.Context(), "SELECT count(*) FROM login_links").Scan(&left); err != nil || left != 1 {
		t.Errorf("%d links are stored (%v)", left, err)
	}
	for _, hash := range []string{"spent", "waiting", "never was"} {
		if _, err := db.SpendLoginLink(t.Context(), []byte(hash), noon); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

func TestALoginLinkNeedsAKey(t *testing.T) {
	db := openTest(t, t.TempDir())
	if err := db.CreateLoginLink(t.Context(), []byte("link"), "nobody", time.Now(), time.Now()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("error is %v", err)
	}
}
