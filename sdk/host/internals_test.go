package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestEnvironmentIsWhatIsAllowed(t *testing.T) {
	got := Environment([]string{
		"PATH=/bin", "HOME=/root", "TZ=UTC", "AWS_SECRET_ACCESS_KEY=x", "CORRAL_CONTROLPLANE_TOKEN=x", "https_proxy=http://p", "SSL_CERT_FILE=/ca", "LD_PRELOAD=/x.so", "PATHS=/x",
	}, 500<<20)
	if want := []string{"PATH=/bin", "TZ=UTC", "https_proxy=http://p", "SSL_CERT_FILE=/ca", "GOMEMLIMIT=419430400"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := Environment(nil, 0); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestWhatIsLoggedIsBounded(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := newPrinted(hclog.New(&hclog.LoggerOptions{Output: &out}), func(line string) string { return strings.ReplaceAll(line, "secret", "***") }, func() time.Time { return now })
	say := func(n int) { p.readStderr(strings.NewReader(strings.Repeat("a secret line\n", n))) }
	say(5000)
	if n := strings.Count(out.String(), "a *** line"); n != lineBurst {
		t.Errorf("%d lines were logged at once", n)
	}
	out.Reset()
	now = now.Add(time.Second)
	say(1000)
	if n := strings.Count(out.String(), "a *** line"); n != linesPerSecond {
		t.Errorf("%d lines were logged in a second", n)
	}
	if !strings.Contains(out.String(), "lines_skipped=4000") {
		t.Errorf("that lines were skipped is not told:\n%.300s", &out)
	}
	if n := len(p.lines()); n != keptLines || p.lines()[0] != "a *** line" {
		t.Errorf("%d lines are kept, %q", n, p.lines()[0])
	}
}

// A plugin may tell everything: what is logged of it is the host's to say, at any time.
func TestTheHostsLevelHoldsForPluginsThatRun(t *testing.T) {
	var out bytes.Buffer
	host := hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
	now := time.Unix(0, 0)
	p := newPrinted(host.Named("plugin.storage.x"), nil, func() time.Time { return now })
	say := func(level string, n int) {
		p.readStderr(strings.NewReader(strings.Repeat(`{"@level":"`+level+`","@message":"a line of `+level+`"}`+"\n", n)))
	}
	logged := func(level string) int {
		n := strings.Count(out.String(), "a line of "+level)
		out.Reset()
		return n
	}
	say("debug", 2*lineBurst)
	if n := logged("debug"); n != 0 || len(p.lines()) != keptLines {
		t.Errorf("%d lines are logged, and %d kept", n, len(p.lines()))
	}
	say("info", lineBurst)
	if n := logged("info"); n != lineBurst {
		t.Errorf("what is left out has taken the room of others: %d lines are logged", n)
	}
	host.SetLevel(hclog.Debug)
	now = now.Add(time.Minute)
	say("debug", 3)
	if n := logged("debug"); n != 3 {
		t.Errorf("%d lines are logged, want 3", n)
	}
}

func TestOutOfMemoryIsTold(t *testing.T) {
	for version, c := range map[string]struct{ self, file, before, after string }{
		"2":              {"0::/corral.slice/x\n", "corral.slice/x/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n", "low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\n"},
		"1":              {"9:name=systemd:/\n4:memory:/x\n0::/\n", "memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"},
		"of the machine": {"0::/x\n", "vmstat", "nr_free_pages 1\noom_kill 4\n", "nr_free_pages 1\noom_kill 5\n"},
		"absent":         {"0::/x\n", "", "", ""},
	} {
		root := t.TempDir()
		self := filepath.Join(root, "self")
		write := func(path, body string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(self, c.self)
		if c.file != "" {
			write(filepath.Join(root, c.file), c.before)
		}
		counter := newOOMCounter(self, root, filepath.Join(root, "vmstat"))
		if counter.rose() || counter.known() != (c.file != "") {
			t.Errorf("%s: it rose at once, or whether it is known is wrong", version)
		}
		if c.file != "" {
			write(filepath.Join(root, c.file), c.after)
		}
		if counter.rose() != (c.file != "") {
			t.Errorf("%s: whether it rose is wrong", version)
		}
	}
}

// What is run is what was verified, even if its path leads elsewhere by then.
func TestWhatIsRunIsWhatWasVerified(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	put := func(word string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte("#!/bin/sh\necho it is "+word+" >&2\n"), 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("trusted")
	sum, err := Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	executable, err := (&Program{Path: path, SHA256: sum}).verified()
	if err != nil {
		t.Fatal(err)
	}
	defer executable.Close()
	put("another one")
	lines := newPrinted(hclog.NewNullLogger(), nil, time.Now)
	p := newProcess(executable, path, lines)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if got := fmt.Sprint(lines.lines()); got != "[it is trusted]" {
		t.Errorf("%s", got)
	}
}
