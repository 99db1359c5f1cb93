package pki

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// loadAt loads a directory at a time.
func loadAt(t *testing.T, dir string, now time.Time) *Authority {
	t.Helper()
	a, err := Load(dir, func() time.Time { return now }, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestTheAuthorityIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "pki")
	first, second := loadAt(t, dir, noon()), loadAt(t, dir, noon())
	if !first.Certificate().Equal(second.Certificate()) || !first.server.Load().Leaf.Equal(second.server.Load().Leaf) {
		t.Error("a second start made other certificates")
	}
	ca := first.Certificate()
	if !ca.IsCA || ca.NotAfter.Before(noon().AddDate(19, 0, 0)) || !ca.NotBefore.Before(noon().Add(-71*time.Hour)) {
		t.Errorf("the authority is good from %v to %v, CA %v", ca.NotBefore, ca.NotAfter, ca.IsCA)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v), want 0600", entry.Name(), info.Mode(), err)
		}
	}
	if got := strings.Join(names, " "); got != "ca.pem server.pem" {
		t.Errorf("the directory holds %s", got)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v (%v), want 0700", info.Mode(), err)
	}
}

func TestFirstStartsAtOnceGetOneAuthority(t *testing.T) {
	dir := t.TempDir()
	var starts sync.WaitGroup
	loaded := make([]*Authority, 20)
	for i := range loaded {
		starts.Go(func() {
			var err error
			if loaded[i], err = Load(dir, noon, hclog.NewNullLogger()); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	for _, a := range loaded {
		if a == nil || !a.Certificate().Equal(loaded[0].Certificate()) {
			t.Fatal("two starts have different authorities")
		}
		if err := a.server.Load().Leaf.CheckSignatureFrom(loaded[0].Certificate()); err != nil {
			t.Error(err)
		}
	}
	loadAt(t, dir, noon())
}

func TestAStartThatFoundNothingTakesWhatAnotherHasMade(t *testing.T) {
	dir := t.TempDir()
	late := &Authority{dir: dir, now: noon, logger: hclog.NewNullLogger()}
	first := loadAt(t, dir, noon())
	made, err := late.makeAuthority()
	if err != nil || !made.certificate.Equal(first.Certificate()) {
		t.Errorf("it has another authority, %v", err)
	}
}

func TestAnAuthorityMadeWithAWrongClockIsGoodLater(t *testing.T) {
	dir := t.TempDir()
	wrong := loadAt(t, dir, time.Unix(1000, 0))
	right := loadAt(t, dir, noon())
	if !right.Certificate().Equal(wrong.Certificate()) {
		t.Error("setting the clock changed the authority")
	}
	if leaf := right.server.Load().Leaf; noon().After(leaf.NotAfter) {
		t.Errorf("the server certificate ended on %v", leaf.NotAfter)
	}
}

func TestADamagedFileIsRefusedAndKept(t *testing.T) {
	for _, name := range []string{authorityFile, serverFile} {
		dir := t.TempDir()
		loadAt(t, dir, noon())
		whole := read(t, dir, name)
		middle := len(whole) / 2
		other := read(t, made(t), name)
		damage := map[string][]byte{
			"empty":         nil,
			"zeroed":        make([]byte, len(whole)),
			"cut in half":   whole[:middle],
			"cut at end":    whole[:len(whole)-10],
			"only the key":  whole[:bytes.Index(whole, []byte("-----BEGIN CERTIFICATE"))],
			"twice":         append(bytes.Clone(whole), whole...),
			"flipped":       append(append(bytes.Clone(whole[:80]), whole[80]^1), whole[81:]...),
			"other's key":   append(other[:bytes.Index(other, []byte("-----BEGIN CERTIFICATE"))], whole[bytes.Index(whole, []byte("-----BEGIN CERTIFICATE")):]...),
			"something new": []byte("hello\n"),
		}
		for how, content := range damage {
			t.Run(name+" "+how, func(t *testing.T) {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
				wantRefused(t, dir, "restore it from a backup")
				if !bytes.Equal(read(t, dir, name), content) {
					t.Error("the file was replaced")
				}
			})
		}
	}
}

// made returns a directory with certificates.
func made(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	loadAt(t, dir, noon())
	return dir
}

func wantRefused(t *testing.T, dir, sentence string) {
	t.Helper()
	_, err := Load(dir, noon, hclog.NewNullLogger())
	if fault.KindOf(err) != fault.Corrupt || !strings.Contains(fault.MessageOf(err), sentence) {
		t.Errorf("got %v, want it to be corrupt and to say %q", err, sentence)
	}
}

func TestALostAuthorityIsNotReplaced(t *testing.T) {
	dir := made(t)
	if err := os.Remove(filepath.Join(dir, authorityFile)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "restore it from a backup")
	if _, err := os.Stat(filepath.Join(dir, authorityFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new authority was made (%v)", err)
	}
}

func TestCertificatesOfTwoAuthoritiesAreRefused(t *testing.T) {
	dir, other := made(t), made(t)
	if err := os.WriteFile(filepath.Join(dir, serverFile), read(t, other, serverFile), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "restore both from one backup")
}

func TestAFileThatOthersMayReadIsClosedToThem(t *testing.T) {
	dir := made(t)
	path := filepath.Join(dir, authorityFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	loadAt(t, dir, noon())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestAnAuthorityThatEndedIsTold(t *testing.T) {
	_, err := Load(made(t), func() time.Time { return noon().AddDate(21, 0, 0) }, hclog.NewNullLogger())
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

func FuzzDecodeIdentity(f *testing.F) {
	ca, err := newAuthority(noon())
	if err != nil {
		f.Fatal(err)
	}
	whole := ca.encode()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		id, err := decodeIdentity(content)
		if err != nil {
			return
		}
		again, err := decodeIdentity(id.encode())
		if err != nil || !again.certificate.Equal(id.certificate) || !again.key.Equal(id.key) {
			t.Errorf("what was read is not read again: %v", err)
		}
	})
}
