package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                    "0s",
		0:                               "0s",
		59*time.Second + 999_999_999:    "59s",
		time.Minute:                     "1m",
		59*time.Minute + 59*time.Second: "59m",
		3*time.Hour + 12*time.Minute:    "3h12m",
		24 * time.Hour:                  "1d0h",
		101*24*time.Hour + 5*time.Hour:  "101d5h",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%d ns) = %q, want %q", int64(d), got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{-1: "-", 0: "-", 512: "512 B", 5 << 30: "5.0 GiB", 256 << 30: "256 GiB"} {
		if got := size(bytes); got != want {
			t.Errorf("size(%d) = %q, want %q", bytes, got, want)
		}
	}
}

// TestNothingSteersTheTerminal cuts hostile text at every byte.
func TestNothingSteersTheTerminal(t *testing.T) {
	const hostile = "a\x1b[2J\x07\x00\u009b31m\x7f£é\tü🐑\n"
	const want = "a[2J31m£é\tü🐑\n"
	for cut := range len(hostile) {
		var shown strings.Builder
		w := &textWriter{w: &shown}
		for _, part := range []string{hostile[:cut], hostile[cut:]} {
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		if shown.String() != want {
			t.Errorf("cut at %d: %q, want %q", cut, shown.String(), want)
		}
	}
	if got, want := printable("é\u202e\n\t\x1b \u009b🐑"), "é???? ?🐑"; got != want {
		t.Errorf("printable = %q, want %q", got, want)
	}
}

func TestStatusOfAModelInTheTrash(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	m := client.Model{Status: "deleting", DeletedAt: at.Add(-24 * time.Hour), PurgeAt: at, Files: []client.ModelFile{{Path: "m.gguf"}}}
	if got := statusOf(&m); got != "deleted, kept until 2026-03-02 12:00:00" {
		t.Errorf("where its files are left it is %q", got)
	}
	purged := m
	purged.PurgeAt = m.DeletedAt
	if got := statusOf(&purged); got != "deleting" {
		t.Errorf("where its files go at once it is %q", got)
	}
	m.Residencies = []client.Residency{{Host: "gpu-1"}}
	if got := statusOf(&m); got != "deleting" {
		t.Errorf("where a host has it yet it is %q", got)
	}
}
