package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// filled returns a directory whose state.db has a hundred keys and is closed.
func filled(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	db, err := OpenState(t.Context(), dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	for i := range byte(100) {
		k := fleet.Key{ID: string(rune('A' + i)), Name: strings.Repeat(string(rune('A'+i)), 50), Hash: bytes.Repeat([]byte{i}, 32)}
		if err := db.CreateKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "state.db")
}

// refused opens a directory and wants an error of this kind that names the
// file, and the file left as it is.
func refused(t *testing.T, dir string, want fault.Kind, sentence string) {
	t.Helper()
	path := filepath.Join(dir, "state.db")
	before, _ := os.ReadFile(path) // one that is missing is to stay so
	db, err := OpenState(t.Context(), dir, hclog.NewNullLogger())
	if err == nil {
		t.Fatal("the file was opened", db.Close())
	}
	if kind := fault.KindOf(err); kind != want || !strings.Contains(fault.MessageOf(err), sentence) {
		t.Errorf("open: %v (%v), want %v with %q", err, kind, want, sentence)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("a file that was refused was changed")
	}
}

func TestADamagedFileIsRefused(t *testing.T) {
	damage := map[string]func(content []byte) []byte{
		"emptied":       func([]byte) []byte { return nil },
		"not SQLite":    func([]byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) },
		"header hit":    func(c []byte) []byte { copy(c, make([]byte, 16)); return c },
		"pages zeroed":  func(c []byte) []byte { clear(c[4096:]); return c },
		"pages flipped": func(c []byte) []byte { return append(c[:8192], bytes.Repeat([]byte{0xa5}, len(c)-8192)...) },
		"cut off":       func(c []byte) []byte { return c[:len(c)/2] },
	}
	for name, hit := range damage {
		t.Run(name, func(t *testing.T) {
			dir, path := filled(t)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, hit(content), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, fault.Corrupt, "restore it from a backup")
		})
	}
}

func TestAJournalWithoutItsFileIsRefused(t *testing.T) {
	dir, path := filled(t)
	if err := os.Rename(path, path+"-wal"); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, fault.Corrupt, "restore both from a backup")
}

func TestANewerSchemaIsRefused(t *testing.T) {
	dir, path := filled(t)
	pool := connect(path, writing(busyTimeout), 1)
	if _, err := pool.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (7000, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, fault.Conflict, "was written by a newer version of this program (schema 7000")
}

func TestAStartThatWasCutShortIsTakenUp(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"state.db.new", "state.db.new-wal", "state.db.new-shm"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half of something"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := openTest(t, dir)
	if _, err := db.Keys(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOwnerMayRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way?#%")
	db := openTest(t, dir)
	if err := writeBoth(t.Context(), db, "k", 1); err != nil {
		t.Fatal(err)
	}
	wantMode := func(path string, want os.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	wantMode(dir, 0o700)
	for _, name := range []string{"state.db", "state.db-wal", "state.db-shm", "state.db.lock", "metrics.db", "metrics.db-wal", "usage.db"} {
		wantMode(filepath.Join(dir, name), 0o600)
	}
}

func TestAFileThatOthersMayReadIsClosedToThem(t *testing.T) {
	dir, path := filled(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestARestoredBackupIsJournalledAgain(t *testing.T) {
	dir, path := filled(t)
	pool := connect(path, writing(busyTimeout), 1)
	if _, err := pool.ExecContext(t.Context(), "VACUUM INTO $1", path+".backup"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".backup", path); err != nil {
		t.Fatal(err)
	}
	db := openTest(t, dir)
	var mode string
	if err := db.State.readers.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode is %q (%v), want wal", mode, err)
	}
	if keys, err := db.Keys(t.Context()); err != nil || len(keys) != 100 {
		t.Errorf("%d keys (%v), want 100", len(keys), err)
	}
}

func TestAFolderMayBeNamedFromWhereOneIs(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"state", "./a b/%41?", "c:d"} {
		db, err := Open(t.Context(), dir, hclog.NewNullLogger())
		if err != nil {
			t.Errorf("%q: %v", dir, err)
			continue
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "state.db")); err != nil {
			t.Error(err)
		}
	}
}
