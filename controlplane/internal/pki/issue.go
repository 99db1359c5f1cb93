package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	day           = 24 * time.Hour
	authorityLife = 20 * 365 * day
	serverLife    = 365 * day
	// backdated lets an agent in whose clock is behind by days, as clocks are
	// before the time was set for the first time.
	backdated = 72 * time.Hour
)

// newAuthority makes a certificate authority that signs itself.
func newAuthority(now time.Time) (identity, error) {
	end := now.Add(authorityLife)
	// A machine without a battery starts in 1970, and its authority would have
	// ended by the time that the clock is set.
	if earliest := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); now.Before(earliest) {
		end = earliest.Add(authorityLife)
	}
	key, keyDER, err := newKey()
	if err != nil {
		return identity{}, err
	}
	return sign(key, keyDER, nil, &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Corral control plane authority"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	})
}

// newServer makes a server certificate that the authority signs.
func newServer(ca identity, now time.Time) (identity, error) {
	key, keyDER, err := newKey()
	if err != nil {
		return identity{}, err
	}
	end := now.Add(serverLife)
	if end.After(ca.certificate.NotAfter) {
		end = ca.certificate.NotAfter // one that outlives its authority is good for nothing
	}
	return sign(key, keyDER, &ca, &x509.Certificate{
		Subject:               pkix.Name{CommonName: wire.ServerName},
		DNSNames:              []string{wire.ServerName, "localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             now.Add(-backdated),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	})
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return key, der, err
}

// sign makes a certificate for key, signed by the authority or, where there is
// none, by itself. The serial number is made by crypto/x509.
func sign(key *ecdsa.PrivateKey, keyDER []byte, authority *identity, template *x509.Certificate) (identity, error) {
	parent, signer := template, crypto.Signer(key)
	if authority != nil {
		parent, signer = authority.certificate, authority.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return identity{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return identity{certificate: certificate, key: key, keyDER: keyDER}, err
}
