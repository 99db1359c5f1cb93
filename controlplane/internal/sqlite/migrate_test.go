package sqlite

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// upTo returns the migrations of a file up to the one with this number.
func upTo(t *testing.T, migrations fs.FS, newest string) fs.FS {
	t.Helper()
	all, err := fs.Glob(migrations, "migrations/*/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	older := fstest.MapFS{}
	for _, path := range all {
		if number, _, _ := strings.Cut(filepath.Base(path), "_"); number > newest {
			continue
		}
		text, err := fs.ReadFile(migrations, path)
		if err != nil {
			t.Fatal(err)
		}
		older[path] = &fstest.MapFile{Data: text}
	}
	if len(older) == len(all) {
		t.Fatalf("nothing comes after %s", newest)
	}
	return older
}

func TestKeysOfAnOlderFileHaveTheUsualPriority(t *testing.T) {
	dir := t.TempDir()
	older, err := open(t.Context(), dir, "state.db", upTo(t, stateMigrations, "00002"), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.writer.pool.ExecContext(t.Context(),
		"INSERT INTO api_keys (id, name, role, hint, hash, created_at) VALUES ('k1', 'laptop', 'viewer', 'crl_x', x'00', 0)"); err != nil {
		t.Fatal(err)
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	keys, err := openTest(t, dir).Keys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Name != "laptop" || keys[0].Role != fleet.RoleViewer || keys[0].Priority != 0 {
		t.Errorf("%+v, %v", keys, err)
	}
}

func TestAnUploadOfAnOlderFileIsOfOneFile(t *testing.T) {
	dir := t.TempDir()
	older, err := open(t.Context(), dir, "state.db", upTo(t, stateMigrations, "00013"), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.writer.pool.ExecContext(t.Context(),
		`INSERT INTO uploads (id, name, description, storage, hosts, quantize, filename, size_bytes, sha256, owner_id, state, offset_bytes, hash, problem,
		created_at, changed_at, expires_at) VALUES ('u_1', 'tiny:latest', '', '', 'null', '', 'a "tiny".gguf', 9, 'ab', 'k1', 'receiving', 7, x'01', '', 0, 0, 0)`); err != nil {
		t.Fatal(err)
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	u, err := openTest(t, dir).Upload(t.Context(), "u_1")
	if diff := cmp.Diff([]fleet.UploadFile{{Name: `a "tiny".gguf`, SizeBytes: 9, SHA256: "ab"}}, u.Files); diff != "" || err != nil || u.SizeBytes != 9 || u.OffsetBytes != 7 {
		t.Errorf("%+v, %v %s", u, err, diff)
	}
}

func TestStoragesOfAnOlderFileAreOfTheFirstVersionOfTheirConfiguration(t *testing.T) {
	dir := t.TempDir()
	older, err := open(t.Context(), dir, "state.db", upTo(t, stateMigrations, "00006"), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.writer.pool.ExecContext(t.Context(),
		"INSERT INTO storages (name, plugin, config, secrets, schema_version, created_at, changed_at) VALUES ('a', 'fs', '{}', '{}', 0, 0, 0)"); err != nil {
		t.Fatal(err)
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := openTest(t, dir).Storages(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "a" || list[0].Schema != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}
