package storm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/corral-fleet/corral/sdk/wire"
)

// trust returns how the control plane is verified that made a token, by the
// fingerprint of its authority, as an agent does that has not joined yet.
func trust(token string) (*tls.Config, error) {
	parsed, err := wire.ParseJoinToken(token)
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: wire.ServerName,
		InsecureSkipVerify: true, // the standard check knows no fingerprints
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, cert := range state.PeerCertificates {
				if !cert.IsCA || !parsed.Names(cert) {
					continue
				}
				roots := x509.NewCertPool()
				roots.AddCert(cert)
				_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: wire.ServerName, Roots: roots})
				return err
			}
			return errors.New("the server there is not the control plane that made the token")
		},
	}, nil
}
