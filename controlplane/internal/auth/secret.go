package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// secretBytes is how much of a secret is random: too much to guess, and so
// much that a plain hash of it needs no salt.
const secretBytes = 32

const redacted = "[redacted]"

// Secret is a text that must not be seen. However it is printed or encoded it
// says [redacted]; only [Secret.Reveal] gives the text.
type Secret struct{ text string }

// newSecret returns a random secret after a prefix by which it is recognised.
func newSecret(prefix string) Secret {
	var random [secretBytes]byte
	rand.Read(random[:]) // never fails; see crypto/rand
	return Secret{prefix + base64.RawURLEncoding.EncodeToString(random[:])}
}

// Reveal returns the text itself, to hand it to its owner.
func (s Secret) Reveal() string { return s.text }

// Format implements [fmt.Formatter] and hides the text from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) } // fmt tells of no errors

// String hides the text from loggers that don't format.
func (s Secret) String() string { return redacted }

// MarshalText hides the text from encoders, such as that of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// hash is what is kept of a secret.
type hash [sha256.Size]byte
