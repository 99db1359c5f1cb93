package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

const keyBlock = "PRIVATE KEY" // PKCS #8

// loadKey reads a key. A missing one is os.ErrNotExist; one that is there but
// is no key is fault.Corrupt.
func loadKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, diskFault(err, "the agent's key %s cannot be read", path)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the agent's key %s is damaged; restore it from a backup, "+
			"or remove it and %s to join as a new host", path, joinedFile).On(fault.Host)
	}
	return key, nil
}

func parseKey(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil || block.Type != keyBlock:
		return nil, fmt.Errorf("there is no %q in it", keyBlock)
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("there is more than a key in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not an Ed25519 key", parsed)
	}
	return key, nil
}

// makeKey makes a key, and returns when it would survive a power cut: what the
// control plane is told about must not be forgotten here.
func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the agent's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the agent's key: %w", err)
	}
	if err := writeFile(path, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der})); err != nil {
		return nil, diskFault(err, "the agent's key %s cannot be written", path)
	}
	return key, nil
}
