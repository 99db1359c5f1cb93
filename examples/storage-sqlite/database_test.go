package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

func newDatabase(t *testing.T, file string) *database {
	t.Helper()
	d, err := openDatabase(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestContract has every sentence of the contract checked, each on a file of its own.
func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Backend { return newDatabase(t, filepath.Join(t.TempDir(), "a b?c%.db")) })
}

// What an upload has left whose process was killed goes when it is old enough.
func TestLeftoversAreSwept(t *testing.T) {
	d := newDatabase(t, filepath.Join(t.TempDir(), "x.db"))
	if _, err := d.write.Exec(`INSERT INTO contents (id, touched_ms) VALUES (7, ?)`, time.Now().Add(-2*time.Hour).UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if err := d.writePieceOnly(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	for age, want := range map[time.Duration]int{3 * time.Hour: 0, time.Hour: 1} {
		if n, err := d.Sweep(t.Context(), age); n != want || err != nil {
			t.Errorf("older than %v: %d, %v", age, n, err)
		}
	}
	var left int
	if err := d.read.QueryRow(`SELECT count(*) FROM pieces`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d pieces are left, %v", left, err)
	}
}

func (d *database) writePieceOnly(ctx context.Context, content int64) error {
	_, err := d.write.ExecContext(ctx, `INSERT INTO pieces (content, number, bytes) VALUES (?, 0, x'00')`, content)
	return err
}

func TestWhatIsNoDatabaseIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(file, []byte("these are not the bytes of a database, and there are enough of them to see that"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDatabase(t.Context(), file); fault.KindOf(err) != fault.Corrupt || fault.SideOf(err) != fault.Service {
		t.Errorf("%v", err)
	}
	if _, err := openDatabase(t.Context(), filepath.Join(file, "x.db")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}
