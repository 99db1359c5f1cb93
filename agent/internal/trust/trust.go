// Package trust is how an agent knows its control plane by TLS: by the authority that
// it pinned when it joined, and by those that its operator names.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Verifier accepts a connection, or says why not.
type Verifier func(tls.ConnectionState) error

// Config returns how a server is verified: by own, the control plane's own authority,
// or by named, the authorities in a file, of which either may be nil. Where both are,
// nothing but a certificate that is trusted publicly will do. But for our own authority
// the name has to be that by which the server is reached.
func Config(server *url.URL, own, named Verifier) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: server.Hostname()}
	switch {
	case own == nil && named == nil:
		return config
	case named == nil:
		config.ServerName = wire.ServerName
	}
	config.InsecureSkipVerify = true // VerifyConnection does it all, for two names and by fingerprint
	config.VerifyConnection = func(state tls.ConnectionState) error {
		switch {
		case named == nil:
			return own(state)
		case own == nil:
			return named(state)
		}
		first := own(state)
		if first == nil {
			return nil
		}
		if second := named(state); second != nil {
			return errors.Join(first, second)
		}
		return nil
	}
	return config
}

// Pinned returns what accepts the control plane's own authority, given in PEM, and nil
// where there is none.
func Pinned(pem []byte) (Verifier, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the pinned certificate authority cannot be read")
	}
	return func(state tls.ConnectionState) error { return verifyChain(state, roots, wire.ServerName) }, nil
}

// Named returns what accepts a certificate for host by one of the authorities in the
// file, and nil where there is no file.
func Named(file, host string) (Verifier, error) {
	if file == "" {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if err := Append(roots, file); err != nil {
		return nil, err
	}
	return func(state tls.ConnectionState) error { return verifyChain(state, roots, host) }, nil
}

// Append adds the authorities in a file to a pool.
func Append(pool *x509.CertPool, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the file of certificate authorities cannot be read").On(fault.Host)
	}
	if !pool.AppendCertsFromPEM(text) {
		return fault.New(fault.Invalid, "%s has no certificate in PEM form", file).On(fault.Host)
	}
	return nil
}

// ByToken returns what accepts a chain that ends at the authority whose fingerprint
// the token carries.
func ByToken(token wire.JoinToken) Verifier {
	return func(state tls.ConnectionState) error {
		for _, cert := range state.PeerCertificates {
			if cert.IsCA && token.Names(cert) {
				roots := x509.NewCertPool()
				roots.AddCert(cert)
				return verifyChain(state, roots, wire.ServerName)
			}
		}
		return fault.New(fault.Unauthenticated, "the server there is not the control plane that made this token")
	}
}

// verifyChain accepts a chain that ends at one of the roots and is for this name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool, name string) error {
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between})
	if err != nil {
		return fmt.Errorf("verify the control plane's certificate: %w", err)
	}
	return nil
}
