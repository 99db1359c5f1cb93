package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// TestADeletedCaptureIsGoneFromTheDisk looks for the words in the files, large
// ones too, whose pages would otherwise keep them.
func TestADeletedCaptureIsGoneFromTheDisk(t *testing.T) {
	const words = "the words of somebody"
	for name, remove := range map[string]func(*DB) error{
		"all":     func(db *DB) error { return db.DeleteCaptures(t.Context()) },
		"by time": func(db *DB) error { return db.DeleteUsageBefore(t.Context(), time.Unix(2_000_000_000, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := Open(t.Context(), dir, hclog.NewNullLogger())
			if err != nil {
				t.Fatal(err)
			}
			rows := used(3, time.Unix(1_800_000_000, 0))
			for i := range rows {
				rows[i].Capture = &fleet.Capture{Request: []byte(words), Answer: []byte(strings.Repeat(words, 5000))}
			}
			if err := db.AppendUsage(t.Context(), rows); err != nil {
				t.Fatal(err)
			}
			if !onDisk(t, dir, words) {
				t.Fatal("the words are not where this test looks for them")
			}
			if err := remove(db); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if onDisk(t, dir, words) {
				t.Error("the words of a capture that was deleted are in a file")
			}
		})
	}
}

func onDisk(t *testing.T, dir, words string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "usage.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(words)) {
			return true
		}
	}
	return false
}

// BenchmarkAppendCaptures stores requests with what they asked and were answered.
func BenchmarkAppendCaptures(b *testing.B) {
	db := openTest(b, b.TempDir())
	rows := used(100, time.Unix(1_800_000_000, 0))
	for i := range rows {
		rows[i].Capture = &fleet.Capture{Request: make([]byte, 8<<10), Answer: make([]byte, 24<<10)}
	}
	for b.Loop() {
		if err := db.AppendUsage(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "rows/s")
}
