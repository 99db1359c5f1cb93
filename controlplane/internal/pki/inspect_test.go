package pki

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestInspection(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	authority, server := Inspect(dir)
	if !errors.Is(authority.Err, fs.ErrNotExist) || !errors.Is(server.Err, fs.ErrNotExist) {
		t.Errorf("%+v, %+v", authority, server)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it made the directory")
	}
	a := loadAt(t, dir, noon())
	if err := os.Chmod(filepath.Join(dir, authorityFile), 0o640); err != nil {
		t.Fatal(err)
	}
	authority, server = Inspect(dir)
	if authority.Err != nil || authority.Mode != 0o640 || !authority.Certificate.Equal(a.Certificate()) {
		t.Errorf("%+v", authority)
	}
	if server.Err != nil || server.Mode != 0o600 || server.Certificate.CheckSignatureFrom(a.Certificate()) != nil {
		t.Errorf("%+v", server)
	}
	if info, err := os.Stat(authority.Path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("it changed the file: %v, %v", info.Mode(), err)
	}
	if err := os.Truncate(authority.Path, 100); err != nil {
		t.Fatal(err)
	}
	if authority, _ = Inspect(dir); fault.KindOf(authority.Err) != fault.Corrupt || authority.Certificate != nil {
		t.Errorf("%+v", authority)
	}
}
