package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestIdentitySurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	id := open(t, dir)
	if id.Joined() {
		t.Error("a new identity has joined")
	}
	if d := cmp.Diff(Membership{}, id.Membership()); d != "" {
		t.Errorf("a new identity has a membership:\n%s", d)
	}
	key := id.PublicKey()
	want := Membership{HostID: "h1", Name: "rack-1", CACertificates: certificate(t)}
	if err := id.SaveJoined(want); err != nil {
		t.Fatal(err)
	}
	closeIt(t, id)

	id = open(t, dir)
	if !id.PublicKey().Equal(key) {
		t.Error("the key is another one")
	}
	if !id.Joined() {
		t.Error("the identity has not joined")
	}
	if d := cmp.Diff(want, id.Membership()); d != "" {
		t.Errorf("membership (-want +got):\n%s", d)
	}
	if !ed25519.Verify(key, []byte("hello"), ed25519.Sign(id.PrivateKey(), []byte("hello"))) {
		t.Error("the private key does not belong to the public one")
	}
}

func TestOnlyTheOwnerCanReadTheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	id := open(t, dir)
	join(t, id)
	for name, want := range map[string]os.FileMode{".": 0o700, keyFile: 0o600, joinedFile: 0o600, lockFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("%d files, want the three: %v", len(entries), entries)
	}
}

func TestSecondAgentOnADirectory(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	_, err := Open(dir)
	wantFault(t, err, fault.Conflict, fmt.Sprintf("(process %d)", os.Getpid()), dir)

	// What it says about the holder is a courtesy.
	if err := os.WriteFile(filepath.Join(dir, lockFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	wantFault(t, err, fault.Conflict, "another agent is running")

	closeIt(t, first)
	open(t, dir)
}

func TestDirectoryIsFreeAfterAFailedOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, keyFile, "garbage")
	if _, err := Open(dir); err == nil {
		t.Fatal("garbage was taken for a key")
	}
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestDamagedKeyIsNeverReplaced(t *testing.T) {
	good := keyText(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherDER, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":        "",
		"zeros":        strings.Repeat("\x00", 119),
		"cut off":      good[:len(good)/2],
		"wrong length": strings.Replace(good, "\nMC4", "\nMC8", 1),
		"twice":        good + good,
		"certificate":  string(certificate(t)),
		"other scheme": string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: otherDER})),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, keyFile, text)
			_, err := Open(dir)
			wantFault(t, err, fault.Corrupt, keyFile, "damaged")
			if got := read(t, dir, keyFile); got != text {
				t.Errorf("the damaged key was changed to %q", got)
			}
		})
	}
}

func TestMissingKeyOfAHostThatJoined(t *testing.T) {
	dir := t.TempDir()
	id := open(t, dir)
	join(t, id)
	closeIt(t, id)
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	wantFault(t, err, fault.Corrupt, "rack-1", keyFile, "missing")
	if _, err := os.Stat(filepath.Join(dir, keyFile)); err == nil {
		t.Error("it got a new key")
	}
}

func TestMembershipOfAnotherKey(t *testing.T) {
	dir := t.TempDir()
	id := open(t, dir)
	join(t, id)
	closeIt(t, id)
	write(t, dir, keyFile, keyText(t))
	_, err := Open(dir)
	wantFault(t, err, fault.Corrupt, "another key")
}

func TestDamagedMembership(t *testing.T) {
	dir := t.TempDir()
	id := open(t, dir)
	join(t, id)
	closeIt(t, id)
	good := read(t, dir, joinedFile)
	for name, text := range map[string]string{
		"empty":             "",
		"cut off":           good[:len(good)-5],
		"no host":           strings.Replace(good, `"h1"`, `""`, 1),
		"no key":            strings.Replace(good, `"public_key": "`, `"public_key": "AAAA`, 1),
		"broken PEM":        strings.Replace(good, "BEGIN", "BEGUN", 1),
		"broken DER":        strings.Replace(good, `CERTIFICATE-----\nM`, `CERTIFICATE-----\nA`, 1),
		"another PEM block": strings.ReplaceAll(good, "CERTIFICATE-", "PRIVATE KEY-"),
	} {
		t.Run(name, func(t *testing.T) {
			if text == good {
				t.Fatal("nothing was damaged")
			}
			write(t, dir, joinedFile, text)
			_, err := Open(dir)
			wantFault(t, err, fault.Corrupt, joinedFile, "damaged")
		})
	}
	write(t, dir, joinedFile, strings.Replace(good, "{", `{"from_the_future": 1,`, 1))
	if !open(t, dir).Joined() {
		t.Error("a field that is not known yet made it forget that it joined")
	}
}

func TestCrashes(t *testing.T) {
	dir := t.TempDir()
	// Killed while the first key was being written: nobody has seen that one.
	write(t, dir, keyFile+".tmp", keyText(t)[:20])
	id := open(t, dir)
	key := id.PublicKey()
	closeIt(t, id)

	// Killed between the key and joining: the same key joins later.
	id = open(t, dir)
	if !id.PublicKey().Equal(key) || id.Joined() {
		t.Errorf("key kept: %v, joined: %v", id.PublicKey().Equal(key), id.Joined())
	}
	// Killed while the membership was being written.
	write(t, dir, joinedFile+".tmp", `{"host_id": "h`)
	join(t, id)
	closeIt(t, id)
	write(t, dir, joinedFile+".tmp", `{"host_id": "h`)
	if got := open(t, dir).Membership().HostID; got != "h1" {
		t.Errorf("host id %q, want the one that was saved", got)
	}
}

func TestSaveJoined(t *testing.T) {
	dir := t.TempDir()
	id := open(t, dir)
	join(t, id)
	before := id.Membership()
	wantFault(t, id.SaveJoined(Membership{Name: "x"}), fault.Invalid)
	wantFault(t, id.SaveJoined(Membership{HostID: "h2", CACertificates: []byte("garbage")}), fault.Invalid)
	if d := cmp.Diff(before, id.Membership()); d != "" {
		t.Errorf("what could not be saved changed the membership:\n%s", d)
	}

	stat := func() os.FileInfo {
		info, err := os.Stat(filepath.Join(dir, joinedFile))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	file := stat()
	join(t, id)
	if !os.SameFile(file, stat()) {
		t.Error("saving the same again wrote the file anew")
	}
	if err := id.SaveJoined(Membership{HostID: "h1", Name: "renamed"}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Membership{HostID: "h1", Name: "renamed", CACertificates: []byte{}}, id.Membership()); d != "" {
		t.Errorf("membership (-want +got):\n%s", d)
	}
}

func TestLeave(t *testing.T) {
	dir := t.TempDir()
	id := open(t, dir)
	key := id.PublicKey()
	join(t, id)
	for range 2 {
		if err := id.Leave(); err != nil {
			t.Fatal(err)
		}
	}
	if id.Joined() {
		t.Error("it is still joined")
	}
	closeIt(t, id)
	id = open(t, dir)
	if id.Joined() || !id.PublicKey().Equal(key) {
		t.Errorf("after a restart: joined %v, same key %v", id.Joined(), id.PublicKey().Equal(key))
	}
}

func open(t *testing.T, dir string) *Identity {
	t.Helper()
	id, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := id.Close(); err != nil && !errors.Is(err, os.ErrClosed) { // where the test did it
			t.Error(err)
		}
	})
	return id
}

func closeIt(t *testing.T, id *Identity) {
	t.Helper()
	if err := id.Close(); err != nil {
		t.Fatal(err)
	}
}

func join(t *testing.T, id *Identity) {
	t.Helper()
	m := id.Membership()
	if m.HostID == "" {
		m = Membership{HostID: "h1", Name: "rack-1", CACertificates: certificate(t)}
	}
	if err := id.SaveJoined(m); err != nil {
		t.Fatal(err)
	}
}

func wantFault(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Fatalf("error = %v (%v), want %v", err, fault.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(fault.MessageOf(err), w) {
			t.Errorf("the message %q does not say %q", fault.MessageOf(err), w)
		}
	}
}

func keyText(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := makeKey(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	return read(t, dir, keyFile)
}

func certificate(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
