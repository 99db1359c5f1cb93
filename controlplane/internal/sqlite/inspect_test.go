package sqlite

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestInspectionFindsWhatIsStored(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	token := fleet.Token{ID: "t", Hash: []byte("t"), CreatedAt: noon, ExpiresAt: noon.Add(time.Hour), UsesLeft: 2}
	if err := db.CreateToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"h1", "h2"} {
		if _, err := db.Enrol(t.Context(), token.Hash, noon, fleet.Host{ID: id, Name: id, PublicKey: []byte(id), JoinedAt: noon}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := db.BeginSession(t.Context(), "h1", noon); err != nil {
			t.Fatal(err)
		}
	}
	rows := []fleet.SampleRow{{HostID: "h1", RunID: "r", Seq: 1, TakenAt: noon.Add(time.Minute)}, {HostID: "h1", RunID: "r", Seq: 2, TakenAt: noon.Add(time.Hour)}}
	if err := db.AppendSamples(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveSettings(t.Context(), []byte(`{"server.port":1}`)); err != nil {
		t.Fatal(err)
	}
	want := func(when string) {
		t.Helper()
		in := Inspect(t.Context(), dir)
		for _, f := range in.Files {
			if f.Err != nil || !f.Whole || f.Schema != f.Newest || f.Newest == 0 || f.Bytes == 0 || f.Mode.Perm() != 0o600 {
				t.Errorf("%s: %+v", when, f)
			}
		}
		if len(in.Files) != 3 || len(in.Hosts) != 2 || string(in.Saved) != `{"server.port":1}` {
			t.Fatalf("%s: %+v", when, in)
		}
		if one, two := in.Hosts[0], in.Hosts[1]; one.Sessions != 3 || !one.HeardAt.Equal(noon.Add(time.Hour)) || two.Sessions != 0 || !two.HeardAt.IsZero() {
			t.Errorf("%s: %+v", when, in.Hosts)
		}
	}
	want("while it is used")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want("when it is not")
}

func TestInspectionChangesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, f := range Inspect(t.Context(), dir).Files {
		if !f.Missing {
			t.Errorf("%+v", f)
		}
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("it made %v", left)
	}
	older, err := open(t.Context(), dir, "state.db", upTo(t, stateMigrations, "00002"), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(older.lockPath()); err != nil { // which is not made by who looks
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "metrics.db"), []byte("no database, and longer than nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	in := Inspect(t.Context(), dir)
	if f := in.Files[0]; f.Err != nil || f.Schema != 2 || f.Newest < 5 {
		t.Errorf("an older file: %+v", f)
	}
	if f := in.Files[1]; fault.KindOf(f.Err) != fault.Corrupt || f.Mode.Perm() != fs.FileMode(0o644) {
		t.Errorf("a damaged file: %+v", f)
	}
	if after := names(t, dir); len(after) != len(before) {
		t.Errorf("it left %v, before there were %v", after, before)
	}
}
