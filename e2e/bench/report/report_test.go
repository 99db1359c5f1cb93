package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTableIsAligned(t *testing.T) {
	got := Table{Header: []string{"path", "µs"}, Rows: [][]string{{"direct", "9"}, {"nginx×2", "12345"}}}.String()
	want := "" +
		"| path    |    µs |\n" +
		"| ------- | ----: |\n" +
		"| direct  |     9 |\n" +
		"| nginx×2 | 12345 |\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTargets(t *testing.T) {
	f := func(g Target, want Outcome, measured string) {
		t.Helper()
		if g.Outcome != want || g.Measured != measured {
			t.Errorf("%s: %v with %q, want %v with %q", g.Name, g.Outcome, g.Measured, want, measured)
		}
	}
	f(AtMost("a", "%.0f µs", 280, 280), Met, "280 µs")
	f(AtMost("b", "%.1f", 1.8, 1.84), Missed, "1.8")
	f(AtLeast("c", "%.2f", 0.7, 0.7), Met, "0.70")
	f(AtLeast("d", "%.2f", 0.7, 0.5), Missed, "0.50")
	f(Target{Name: "e"}, NotMeasured, "")

	if err := Check([]Target{AtMost("a", "%v", 1, 1)}); err != nil {
		t.Error(err)
	}
	for _, g := range []Target{{Name: "unknown"}, AtMost("b", "%v", 1, 2)} {
		if Check([]Target{AtMost("a", "%v", 1, 1), g}) == nil {
			t.Errorf("%s passed", g.Name)
		}
	}
}

func TestPublish(t *testing.T) {
	d := Document{
		Title: "Chat", Method: "So it was.", Notes: []string{"nginx/1"},
		Figures: Table{Header: []string{"path", "µs"}},
		Targets: []Target{AtMost("first token", "%.0f µs", 280, 300)},
	}
	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "chat.md")
	if err := d.Publish(&out, Output{Path: file}); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != out.String() {
		t.Errorf("the file differs from what was printed:\n%s\n%s", kept, out.String())
	}
	for _, want := range []string{"# Chat\n", "cores, Linux", "go1.", "MISSED", "- nginx/1\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := d.Publish(&out, Output{Enforce: true}); err == nil {
		t.Error("a missed target passed where it is enforced")
	}
}
