package uplink

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

// verifier accepts a connection, or says why not.
type verifier func(tls.ConnectionState) error

// trust returns how the control plane is verified: by the authority that the
// agent pinned when it joined, or before by the fingerprint in its token; and,
// where there is a file of authorities, by those as well. Where there is none of
// these, nothing but a certificate that is trusted publicly will do. But for our
// own authority the name has to be that by which the control plane is reached.
func (u *Uplink) trust(server *url.URL) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: server.Hostname()}
	own, err := u.ownAuthority()
	if err != nil {
		return nil, err
	}
	named, err := u.namedAuthorities(server.Hostname())
	switch {
	case err != nil:
		return nil, err
	case own == nil && named == nil:
		return config, nil
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
	return config, nil
}

// ownAuthority returns what accepts the control plane's own authority, and nil
// where nothing is known of it.
func (u *Uplink) ownAuthority() (verifier, error) {
	if joined := u.Identity.Membership(); len(joined.CACertificates) > 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(joined.CACertificates) {
			return nil, errors.New("the pinned certificate authority cannot be read")
		}
		return func(state tls.ConnectionState) error { return verifyChain(state, roots, wire.ServerName) }, nil
	}
	token, err := wire.ParseJoinToken(u.Token)
	if err != nil || u.Identity.Joined() {
		return nil, nil //nolint:nilerr // a token is not needed where the certificate is trusted otherwise
	}
	return func(state tls.ConnectionState) error { return verifyByToken(token, state) }, nil
}

// namedAuthorities returns what accepts a certificate for host by one of the
// authorities in the file, and nil where there is no file.
func (u *Uplink) namedAuthorities(host string) (verifier, error) {
	if u.ServerCAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(u.ServerCAFile)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the file of certificate authorities cannot be read").On(fault.Host)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.Invalid, "%s has no certificate in PEM form", u.ServerCAFile).On(fault.Host)
	}
	return func(state tls.ConnectionState) error { return verifyChain(state, roots, host) }, nil
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

// verifyByToken accepts a chain that ends at the authority whose fingerprint
// the token carries.
func verifyByToken(token wire.JoinToken, state tls.ConnectionState) error {
	for _, cert := range state.PeerCertificates {
		if cert.IsCA && token.Names(cert) {
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			return verifyChain(state, roots, wire.ServerName)
		}
	}
	return fault.New(fault.Unauthenticated, "the server there is not the control plane that made this token")
}
