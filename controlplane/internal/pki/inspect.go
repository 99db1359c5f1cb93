package pki

import (
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/fault"
)

// File is what was found of a private key and its certificate.
type File struct {
	Path        string
	Mode        fs.FileMode
	Certificate *x509.Certificate // nil where there is an error
	Err         error             // fs.ErrNotExist where there is none, fault.Corrupt where it is damaged
}

// Inspect looks at the certificates in a directory, and makes and changes none.
func Inspect(dir string) (authority, server File) {
	return inspect(filepath.Join(dir, authorityFile)), inspect(filepath.Join(dir, serverFile))
}

func inspect(path string) File {
	f := File{Path: path}
	info, err := os.Stat(path)
	if err != nil {
		f.Err = err
		return f
	}
	f.Mode = info.Mode().Perm()
	content, err := os.ReadFile(path)
	if err != nil {
		f.Err = err
		return f
	}
	id, err := decodeIdentity(content)
	if err != nil {
		f.Err = fault.Wrap(fault.Corrupt, err, "%s is damaged; restore it from a backup", path)
		return f
	}
	f.Certificate = id.certificate
	return f
}
