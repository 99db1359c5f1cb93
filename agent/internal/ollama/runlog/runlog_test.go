package runlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func begin(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Begin(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func write(t *testing.T, l *Log, s string) {
	t.Helper()
	if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func tail(t *testing.T, l *Log, n int) []string {
	t.Helper()
	lines, _, err := l.Tail(n)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{}
	for _, line := range lines {
		texts = append(texts, line.Text)
	}
	return texts
}

func TestTailReachesIntoFormerRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	l := New(dir, Limits{})
	if got := tail(t, l, 10); len(got) != 0 {
		t.Errorf("Tail before the first run = %q", got)
	}
	begin(t, l)
	write(t, l, "one\ntw")
	write(t, l, "o\n\nthree")
	if diff := cmp.Diff([]string{"one", "two"}, tail(t, l, 10)); diff != "" {
		t.Errorf("while a line is unfinished: %s", diff)
	}
	begin(t, l)
	write(t, l, "four\n")
	for n, want := range map[int][]string{
		0: {}, 1: {"four"}, 3: {"two", "three", "four"}, 10: {"one", "two", "three", "four"},
	} {
		if diff := cmp.Diff(want, tail(t, l, n)); diff != "" {
			t.Errorf("Tail(%d): %s", n, diff)
		}
	}
	if diff := cmp.Diff([]string{"three", "four"}, tail(t, New(dir, Limits{}), 2)); diff != "" {
		t.Errorf("in the next process: %s", diff)
	}
}

func TestTailOfManyLongLines(t *testing.T) {
	l := New(t.TempDir(), Limits{})
	begin(t, l)
	var want []string
	for i := range 200 {
		line := fmt.Sprintf("%d %s", i, strings.Repeat("x", 3000))
		want = append(want, line)
		write(t, l, line+"\n")
	}
	if diff := cmp.Diff(want[20:], tail(t, l, 180)); diff != "" {
		t.Error(diff)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	l := New(t.TempDir(), Limits{})
	begin(t, l)
	for range 40 {
		write(t, l, strings.Repeat("x", MaxLine/20))
	}
	write(t, l, "\nnext\n"+strings.Repeat("y", 3*MaxLine)+"\n")
	got := tail(t, l, 3)
	for i, first := range map[int]string{0: "x", 2: "y"} {
		if len(got[i]) != MaxLine || !strings.HasPrefix(got[i], first) || !strings.HasSuffix(got[i], cut) {
			t.Errorf("line %d has %d bytes and ends with %q, want %d and a mark", i, len(got[i]), got[i][len(got[i])-8:], MaxLine)
		}
	}
	if got[1] != "next" {
		t.Errorf("the line after the cut one is %q", got[1])
	}
}

func TestOnlyTheNewestIsKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := New(dir, Limits{PartBytes: 10, Parts: 2, Runs: 2})
	for run := range 4 {
		begin(t, l)
		for line := range 4 {
			write(t, l, fmt.Sprintf("r%d line%d\n", run, line)) // 9 bytes: a part for each
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{
		"notes.txt",
		"run-00000003-00000003.log", "run-00000003-00000004.log",
		"run-00000004-00000003.log", "run-00000004-00000004.log",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"r2 line3", "r3 line2", "r3 line3"}, tail(t, l, 3)); diff != "" {
		t.Error(diff)
	}
}

func TestFollowNeitherLosesNorRepeats(t *testing.T) {
	l := New(t.TempDir(), Limits{PartBytes: 1000, Parts: 1000})
	begin(t, l)
	const runs, perRun = 3, 500
	enough := errors.New("enough")
	var got []string
	var at Position
	follow := func(n int) error { // n lines, and then again from there
		return l.Follow(t.Context(), at, func(line Line, lost bool) error {
			if lost {
				t.Errorf("lost lines before %q", line.Text)
			}
			got = append(got, line.Text)
			at = line.Next
			if n--; n == 0 {
				return enough
			}
			return nil
		})
	}
	written := make(chan error, 1)
	go func() {
		for i := range runs * perRun {
			if i > 0 && i%perRun == 0 {
				if err := l.Begin(); err != nil {
					written <- err
					return
				}
			}
			if _, err := fmt.Fprintf(l, "line %d\n", i); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for _, n := range []int{1, 2, 700, runs*perRun - 703} {
		if err := follow(n); !errors.Is(err, enough) {
			t.Fatal(err)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for i, line := range got {
		if want := fmt.Sprintf("line %d", i); line != want {
			t.Fatalf("line %d of %d is %q, want %q", i, len(got), line, want)
		}
	}
	if _, end, err := l.Tail(1); err != nil || end != at {
		t.Errorf("followed up to %v, the end is %v, %v", at, end, err)
	}
}

func TestFollowTellsOfAGap(t *testing.T) {
	l := New(t.TempDir(), Limits{PartBytes: 10, Parts: 2})
	begin(t, l)
	write(t, l, "first...\n")
	_, at, err := l.Tail(1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		write(t, l, fmt.Sprintf("line %d..\n", i))
	}
	type call struct {
		Text string
		Lost bool
	}
	var got []call
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = l.Follow(ctx, at, func(line Line, lost bool) error {
		got = append(got, call{line.Text, lost})
		if len(got) == 2 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v, want context.Canceled", err)
	}
	if diff := cmp.Diff([]call{{"line 3..", true}, {"line 4..", false}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriteWithoutARunDoesNotBlock(t *testing.T) {
	l := New(t.TempDir(), Limits{})
	if n, err := l.Write([]byte("lost\n")); n != 5 || err == nil {
		t.Errorf("Write = %d, %v; want all of it taken, and an error", n, err)
	}
}

func FuzzWrite(f *testing.F) {
	f.Add([]byte("a\n\nb"), 1)
	f.Add([]byte(strings.Repeat("z", 100)+"\n"), 7)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		step, b = max(step, 1), b[:min(len(b), 4<<10)]
		l := New(t.TempDir(), Limits{})
		begin(t, l)
		for rest := b; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			write(t, l, string(rest[:min(step, len(rest))]))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		want := []string{}
		for line := range strings.SplitSeq(string(b), "\n") {
			if line != "" {
				want = append(want, line)
			}
		}
		if diff := cmp.Diff(want, tail(t, l, len(b)+1)); diff != "" {
			t.Error(diff)
		}
	})
}
