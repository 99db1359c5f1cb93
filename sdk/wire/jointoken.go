package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// joinTokenPrefix lets people and secret scanners recognise a join token.
const joinTokenPrefix = "crt_"

const joinSecretSize = 16

// JoinToken lets an agent join. Beside the secret that the control plane knows
// by its hash alone it carries the fingerprint of the control plane's own
// certificate authority, so that an agent's very first connection is verified.
type JoinToken struct {
	secret      [joinSecretSize]byte
	fingerprint [sha256.Size]byte
}

// NewJoinToken makes a token with a random secret for the authority with this certificate.
func NewJoinToken(authority *x509.Certificate) JoinToken {
	t := JoinToken{fingerprint: sha256.Sum256(authority.Raw)}
	rand.Read(t.secret[:]) // never fails; see crypto/rand
	return t
}

// ParseJoinToken reads what [JoinToken.Reveal] wrote.
func ParseJoinToken(s string) (JoinToken, error) {
	var t JoinToken
	encoded, ok := strings.CutPrefix(strings.TrimSpace(s), joinTokenPrefix)
	if !ok {
		return t, errors.New(`a join token starts with "crt_"`)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != len(t.secret)+len(t.fingerprint) {
		return t, errors.New("the join token is cut off or mistyped")
	}
	copy(t.secret[:], raw)
	copy(t.fingerprint[:], raw[len(t.secret):])
	return t, nil
}

// Reveal returns the whole token as it is handed to an agent.
func (t JoinToken) Reveal() string {
	return joinTokenPrefix + base64.RawURLEncoding.EncodeToString(append(t.secret[:], t.fingerprint[:]...))
}

// Hash returns what the control plane stores of the token.
func (t JoinToken) Hash() []byte {
	sum := sha256.Sum256(t.secret[:])
	return sum[:]
}

// Names reports whether the token was made for the authority with this certificate.
func (t JoinToken) Names(authority *x509.Certificate) bool {
	sum := sha256.Sum256(authority.Raw)
	return subtle.ConstantTimeCompare(sum[:], t.fingerprint[:]) == 1
}

// String hides the token, so that no log or error can show it.
func (t JoinToken) String() string { return joinTokenPrefix + "[redacted]" }

// Format hides the token from every verb.
func (t JoinToken) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, t.String()) // fmt tells of no errors
}
