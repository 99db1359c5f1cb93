package peers

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Pass is what a worker proves with which host it reads for, in PEM: a key of its own and
// a certificate for that by the host's key, which stays with the agent.
type Pass struct {
	Certificate []byte
	Key         []byte
}

// passLasts is longer than what is fetched with one pass, and than clocks are off by.
const passLasts = 24 * time.Hour

// NewPass returns a pass by a host's key.
func NewPass(key ed25519.PrivateKey, now time.Time) (Pass, error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pass{}, fmt.Errorf("make a worker's key: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return Pass{}, fmt.Errorf("encode a worker's key: %w", err)
	}
	der, err := certificate("corral model worker", own.Public(), key, now, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return Pass{}, err
	}
	return Pass{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}),
	}, nil
}

// checkPass says why a certificate is no pass by a host's key.
func checkPass(pass *x509.Certificate, by ed25519.PublicKey, now time.Time) error {
	switch {
	case pass.SignatureAlgorithm != x509.PureEd25519 || !ed25519.Verify(by, pass.RawTBSCertificate, pass.Signature):
		return errors.New("the certificate is not by the host that the ticket is for")
	case len(pass.ExtKeyUsage) != 1 || pass.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth:
		return errors.New("the certificate is for something else")
	case now.Before(pass.NotBefore) || now.After(pass.NotAfter):
		return errors.New("the certificate is not good now; a clock may be wrong")
	}
	return nil
}

// serverCertificate is that of a host, by its own key alone: who asks knows the key.
func serverCertificate(key ed25519.PrivateKey, now time.Time) (tls.Certificate, error) {
	der, err := certificate("corral host", key.Public(), key, now, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func certificate(name string, public any, by ed25519.PrivateKey, now time.Time, usage x509.ExtKeyUsage) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-passLasts), NotAfter: now.Add(passLasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true,
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "corral host"}}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, by)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return der, nil
}
