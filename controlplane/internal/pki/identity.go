package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	keyBlock         = "PRIVATE KEY" // PKCS #8
	certificateBlock = "CERTIFICATE"
)

// identity is a certificate and its private key.
type identity struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	keyDER      []byte // of key, in PKCS #8
}

// encode returns the identity as it is stored.
func (id identity) encode() []byte {
	key := pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: id.keyDER})
	return append(key, encodeCertificate(id.certificate)...)
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw})
}

// readIdentity reads what encode wrote, and takes other users' permissions from
// the file. A missing file is fs.ErrNotExist, one that is not whole fault.Corrupt.
func readIdentity(path string) (identity, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return identity{}, err
	}
	id, err := decodeIdentity(content)
	if err != nil {
		return identity{}, fault.Wrap(fault.Corrupt, err, "%s is damaged; restore it from a backup", path)
	}
	return id, closeToOthers(path)
}

func decodeIdentity(content []byte) (identity, error) {
	keyDER, rest, err := nextBlock(content, keyBlock)
	if err != nil {
		return identity{}, err
	}
	certificateDER, rest, err := nextBlock(rest, certificateBlock)
	if err != nil {
		return identity{}, err
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return identity{}, errors.New("something follows the certificate")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return identity{}, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return identity{}, fmt.Errorf("the private key is a %T", parsed)
	}
	certificate, err := x509.ParseCertificate(certificateDER)
	if err != nil {
		return identity{}, err
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return identity{}, errors.New("the private key is not the certificate's")
	}
	return identity{certificate: certificate, key: key, keyDER: keyDER}, nil
}

// nextBlock takes one PEM block of a type from the very start of content.
func nextBlock(content []byte, blockType string) (der, rest []byte, err error) {
	if !bytes.HasPrefix(bytes.TrimSpace(content), []byte("-----BEGIN "+blockType+"-----")) {
		return nil, nil, fmt.Errorf("there is no %q where it should be", blockType)
	}
	block, rest := pem.Decode(content)
	if block == nil || block.Type != blockType {
		return nil, nil, fmt.Errorf("the %q is not whole", blockType)
	}
	return block.Bytes, rest, nil
}

func closeToOthers(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(path, info.Mode().Perm()&^fs.FileMode(0o077))
}
