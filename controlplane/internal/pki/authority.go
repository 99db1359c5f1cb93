package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

// The files in the directory. Each has a private key and its certificate, so
// that no crash can part the two.
const (
	authorityFile = "ca.pem"
	serverFile    = "server.pem"
)

// Authority signs the control plane's server certificate, and keeps it good.
// Its methods may be called concurrently.
type Authority struct {
	dir    string
	now    func() time.Time
	logger hclog.Logger
	ca     identity
	server atomic.Pointer[tls.Certificate]
}

// Load reads the authority and the server certificate in dir, and makes the
// directory and what is missing in it. Several processes may do so at once;
// all get the same authority. A file that is damaged is fault.Corrupt.
func Load(dir string, now func() time.Time, logger hclog.Logger) (*Authority, error) {
	a := &Authority{dir: dir, now: now, logger: logger}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("load certificates: %w", err)
	}
	var err error
	if a.ca, err = a.loadAuthority(); err != nil {
		return nil, err
	}
	if err := a.loadServer(); err != nil {
		return nil, err
	}
	return a, nil
}

// Certificate returns the authority's certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.ca.certificate }

// CertificatePEM returns the authority's certificate in PEM, as agents pin it.
func (a *Authority) CertificatePEM() []byte { return encodeCertificate(a.ca.certificate) }

// TLSConfig returns a server's configuration, with the server certificate as it
// is at each handshake and the authority's own in the chain.
func (a *Authority) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return a.server.Load(), nil
		},
	}
}

func (a *Authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *Authority) loadAuthority() (identity, error) {
	ca, err := readIdentity(a.path(authorityFile))
	if errors.Is(err, fs.ErrNotExist) {
		ca, err = a.makeAuthority()
	}
	if err != nil {
		return identity{}, fmt.Errorf("load certificate authority: %w", err)
	}
	switch {
	case !ca.certificate.IsCA:
		return identity{}, fault.New(fault.Corrupt, "%s holds no certificate authority; restore it from a backup", a.path(authorityFile))
	case a.now().After(ca.certificate.NotAfter):
		return identity{}, fault.New(fault.Conflict, "the certificate authority in %s ended on %s; check the clock, or remove the directory and let every agent join anew",
			a.path(authorityFile), ca.certificate.NotAfter.Format(time.DateOnly))
	}
	return ca, nil
}

// makeAuthority makes a new authority, unless another process is first: then
// that one's is returned.
func (a *Authority) makeAuthority() (identity, error) {
	if _, err := os.Lstat(a.path(serverFile)); err == nil {
		// Another process may have made both since this one looked; the authority comes first.
		if ca, err := readIdentity(a.path(authorityFile)); !errors.Is(err, fs.ErrNotExist) {
			return ca, err
		}
		return identity{}, fault.New(fault.Corrupt,
			"%s is missing but a certificate that it signed is there; restore it from a backup, or remove %s as well and let every agent join anew",
			a.path(authorityFile), a.path(serverFile))
	}
	ca, err := newAuthority(a.now())
	if err != nil {
		return identity{}, err
	}
	err = createFile(a.path(authorityFile), ca.encode())
	if errors.Is(err, fs.ErrExist) {
		return readIdentity(a.path(authorityFile))
	}
	if err != nil {
		return identity{}, err
	}
	a.logger.Info("made a certificate authority", "file", a.path(authorityFile))
	return ca, nil
}
