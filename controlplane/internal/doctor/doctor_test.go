package doctor

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/checkup"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	gib = 1 << 30
	day = 24 * time.Hour
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func host(name string, heard time.Duration) sqlite.HostRecord {
	return sqlite.HostRecord{Host: fleet.Host{ID: name, Name: name}, Sessions: 3, HeardAt: now().Add(-heard)}
}

// healthy are findings of a control plane of which nothing is wrong.
func healthy() *Findings {
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, NotBefore: now().Add(-day), NotAfter: now().Add(19 * 365 * day)}
	server := &x509.Certificate{DNSNames: []string{wire.ServerName}, NotBefore: now().Add(-day), NotAfter: now().Add(300 * day)}
	f := &Findings{
		DataDir:   DataDir{Path: "/d", FreeBytes: 50 * gib},
		Authority: pki.File{Path: "/d/pki/ca.pem", Mode: 0o600, Certificate: ca},
		Server:    pki.File{Path: "/d/pki/server.pem", Mode: 0o600, Certificate: server},
		Run:       Run{Running: true, PID: 7, Program: "v1", Version: "v1", StartedAt: now().Add(-day)},
		Address:   Address{HostPort: "127.0.0.1:11435", Took: time.Millisecond},
		Settings:  Settings{MaxConnections: 10_000},
		OpenFiles: 1 << 20,
		Clock:     Clock{Known: true, Kept: true, Newest: now().Add(-time.Second)},
		Hosts:     []sqlite.HostRecord{host("rack-1", time.Second), host("rack-2", 20*time.Second)},
	}
	for _, name := range []string{"state.db", "metrics.db", "usage.db"} {
		f.Files = append(f.Files, sqlite.File{Name: name, Mode: 0o600, Bytes: 1 << 20, Whole: true, Schema: 5, Newest: 5})
	}
	return f
}

// A certificate is not signed here; that it has to be is looked at in a test of its own.
func unsigned(checks []checkup.Check) []checkup.Check {
	return slices.DeleteFunc(checks, func(c checkup.Check) bool {
		return c.Name == "server certificate" && strings.Contains(c.Evidence, "did not sign")
	})
}

func TestAHealthyControlPlane(t *testing.T) {
	checks := unsigned(Examine(healthy(), now()))
	for _, c := range checks {
		if c.Status != checkup.OK || c.Mend != "" || c.Evidence == "" {
			t.Errorf("%+v", c)
		}
	}
	if !checkup.Healthy(checks) || len(checks) != 13 {
		t.Errorf("%d checks: %+v", len(checks), checks)
	}
	untouched := &Findings{
		DataDir: DataDir{Path: "/d", Missing: true, FreeBytes: 50 * gib}, Address: Address{HostPort: "0.0.0.0:11435"},
	}
	if checks := Examine(untouched, now()); !checkup.Healthy(checks) || len(checks) != 2 {
		t.Errorf("before the first start: %+v", checks)
	}
	never := &Findings{ // a key was made, and nothing more
		DataDir: DataDir{Path: "/d", FreeBytes: 50 * gib}, Address: Address{HostPort: "0.0.0.0:11435"},
		Authority: pki.File{Err: fs.ErrNotExist}, Server: pki.File{Err: fs.ErrNotExist},
		Files: []sqlite.File{{Name: "state.db", Mode: 0o600, Whole: true}, {Name: "metrics.db", Missing: true, Err: fs.ErrNotExist}},
	}
	if checks := Examine(never, now()); !checkup.Healthy(checks) {
		t.Errorf("before the first start: %+v", checks)
	}
}

func TestWhatCanBeWrong(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		check  string
		status checkup.Status
		says   string
		change func(*Findings)
	}{
		{"data directory", checkup.Failed, "cannot be written", func(f *Findings) { f.DataDir.Writable = broken }},
		{"data directory", checkup.Failed, "1.0 MiB free", func(f *Findings) { f.DataDir.FreeBytes = 1 << 20 }},
		{"data directory", checkup.Failed, "NFS", func(f *Findings) { f.DataDir.Remote = "NFS" }},
		{"data directory", checkup.Warning, "1.0 GiB free", func(f *Findings) { f.DataDir.FreeBytes = gib }},
		{"database state.db", checkup.Failed, "missing", func(f *Findings) { f.Files[0].Missing = true }},
		{"database state.db", checkup.Failed, "is damaged", func(f *Findings) { f.Files[0].Err = fault.New(fault.Corrupt, "state.db is damaged") }},
		{"database metrics.db", checkup.Failed, "broken", func(f *Findings) { f.Files[1].Err = broken }},
		{"database usage.db", checkup.Failed, "0640", func(f *Findings) { f.Files[2].Mode = 0o640 }},
		{"database state.db", checkup.Failed, "newer version", func(f *Findings) { f.Files[0].Schema = 6 }},
		{"database state.db", checkup.Warning, "schema 4", func(f *Findings) { f.Files[0].Schema = 4 }},
		{"database metrics.db", checkup.Warning, "journal has grown to 1.0 GiB", func(f *Findings) { f.Files[1].JournalBytes = gib }},
		{"certificate authority", checkup.Failed, "broken", func(f *Findings) { f.Authority.Err = fault.New(fault.Corrupt, "broken") }},
		{"certificate authority", checkup.Failed, "0644", func(f *Findings) { f.Authority.Mode = 0o644 }},
		{"certificate authority", checkup.Failed, "ended on", func(f *Findings) { f.Authority.Certificate.NotAfter = now().Add(-day) }},
		{"certificate authority", checkup.Failed, "begins on", func(f *Findings) { f.Authority.Certificate.NotBefore = now().Add(day) }},
		{"certificate authority", checkup.Warning, "until 2026", func(f *Findings) { f.Authority.Certificate.NotAfter = now().Add(100 * day) }},
		{"server certificate", checkup.Failed, "did not sign", func(*Findings) {}},
		{"server certificate", checkup.Failed, "0640", func(f *Findings) { f.Server.Mode = 0o640 }},
		{"server certificate", checkup.Warning, "until 2026-03", func(f *Findings) {
			f.Authority.Certificate, f.Authority.Err, f.Server.Certificate.NotAfter = nil, broken, now().Add(10*day)
		}},
		{"server certificate", checkup.Warning, "not what agents ask for", func(f *Findings) {
			f.Authority.Certificate, f.Authority.Err, f.Server.Certificate.DNSNames = nil, broken, []string{"elsewhere"}
		}},
		{"server", checkup.Warning, "none serves", func(f *Findings) { f.Run.Running = false }},
		{"server", checkup.Warning, "does not say that it listens", func(f *Findings) { f.Run.Version = "" }},
		{"server", checkup.Warning, "is version v2", func(f *Findings) { f.Run.Program = "v2" }},
		{"address", checkup.Failed, "does not answer", func(f *Findings) { f.Address.Err = broken }},
		{"address", checkup.Failed, "is taken", func(f *Findings) {
			f.Run.Running, f.Address.Err = false, fault.New(fault.Conflict, "port 11435 is taken")
		}},
		{"last stop", checkup.Warning, "killed or crashed", func(f *Findings) { f.Run.Killed = now().Add(-time.Hour) }},
		{"saved settings", checkup.Failed, "broken", func(f *Findings) { f.Settings.Saved = broken }},
		{"settings that need a restart", checkup.Warning, "server.port is 1, and 2 from", func(f *Findings) { f.Settings.Pending = []Pending{{"server.port", "1", "2"}} }},
		{"open files", checkup.Warning, "4096 may be open", func(f *Findings) { f.OpenFiles = 4096 }},
		{"clock", checkup.Failed, "1h0m0s in the future", func(f *Findings) { f.Clock.Newest = now().Add(time.Hour) }},
		{"clock", checkup.Warning, "nothing keeps it", func(f *Findings) { f.Clock.Kept = false }},
		{"hosts", checkup.Warning, "missing: h0, h1, h2, h3, h4, 2 more", func(f *Findings) {
			for _, name := range []string{"h6", "h5", "h4", "h3", "h2", "h1", "h0"} {
				f.Hosts = append(f.Hosts, host(name, time.Hour))
			}
		}},
	} {
		f := healthy()
		c.change(f)
		checks := Examine(f, now())
		at := slices.IndexFunc(checks, func(got checkup.Check) bool { return got.Name == c.check })
		if at < 0 || checks[at].Status != c.status || checks[at].Mend == "" || !strings.Contains(checks[at].Evidence, c.says) {
			t.Errorf("%s, want %s with %q: %+v", c.check, c.status, c.says, checks)
		}
	}
}

func TestWhatIsNoFault(t *testing.T) {
	for _, c := range []struct {
		check, says string
		change      func(*Findings)
	}{
		{"last stop", "2026-01-20", func(f *Findings) { f.Run.Killed = now().Add(-40 * day) }},
		{"database metrics.db", "as far as it was read", func(f *Findings) { f.Files[1].Whole = false }},
		{"open files", "no limit", func(f *Findings) { f.OpenFiles = 0 }},
		{"open files", "any number", func(f *Findings) { f.Settings.MaxConnections = 0 }},
		{"clock", "cannot be seen", func(f *Findings) { f.Clock.Known = false }},
		{"hosts", "none", func(f *Findings) { f.Hosts = nil }},
		{"hosts", "of 6, 2 were heard within a minute, 1 not, 1 are asleep, 1 stopped, 1 pending; they connected 18 times", func(f *Findings) {
			f.Run.Running = false // so that nobody can be heard
			asleep, stopped, pending := host("a", day), host("s", day), host("p", day)
			asleep.Parted, stopped.Parted, pending.Pending = fleet.HostAsleep, fleet.HostStopped, true
			f.Hosts = append(f.Hosts, asleep, stopped, pending, host("gone", day))
		}},
	} {
		f := healthy()
		c.change(f)
		checks := Examine(f, now())
		at := slices.IndexFunc(checks, func(got checkup.Check) bool { return got.Name == c.check })
		if at < 0 || checks[at].Status != checkup.OK || !strings.Contains(checks[at].Evidence, c.says) {
			t.Errorf("%s, want %q: %+v", c.check, c.says, checks)
		}
	}
}
