package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// keyPrefix lets people and secret scanners recognise a key.
	keyPrefix = "crl_"
	// keyLength is the prefix and 32 bytes in base64url without padding.
	keyLength = len(keyPrefix) + 43
	// hintLength leaves 220 of a key's 256 bits unknown to who sees the hint.
	hintLength = len(keyPrefix) + 6
	// maxNameRunes bounds the names that people give.
	maxNameRunes = 64
)

// newKey makes a key and the record that is stored of it.
func newKey(name string, role fleet.Role, priority int, now time.Time) (Secret, fleet.Key, error) {
	if err := checkName(name); err != nil {
		return Secret{}, fleet.Key{}, err
	}
	if !slices.Contains(fleet.Roles(), role) {
		return Secret{}, fleet.Key{}, fault.New(fault.Invalid, "there is no role %q; the roles are %s", role, roleNames())
	}
	if err := checkPriority(priority); err != nil {
		return Secret{}, fleet.Key{}, err
	}
	secret := newSecret(keyPrefix)
	sum, _ := keyHash(secret.text)
	return secret, fleet.Key{
		ID: newID("key_"), Name: name, Role: role, Priority: priority, Hint: secret.text[:hintLength], Hash: sum[:], CreatedAt: now,
	}, nil
}

// keyHash returns what is stored of a key, and whether the text can be one at
// all. It allocates nothing.
func keyHash(secret string) (hash, bool) {
	if len(secret) != keyLength || secret[:len(keyPrefix)] != keyPrefix {
		return hash{}, false
	}
	var text [keyLength]byte
	copy(text[:], secret)
	return sha256.Sum256(text[:]), true
}

// checkName accepts 1 to 64 printable characters without blanks at the ends.
func checkName(name string) error {
	switch {
	case name == "":
		return fault.New(fault.Invalid, "a name is needed")
	case utf8.RuneCountInString(name) > maxNameRunes:
		return fault.New(fault.Invalid, "a name has %d characters at most", maxNameRunes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, notPrintable) || strings.TrimSpace(name) != name:
		return fault.New(fault.Invalid, "a name has printable characters alone, and no blanks at its ends")
	}
	return nil
}

func checkPriority(priority int) error {
	if priority < fleet.MinPriority || priority > fleet.MaxPriority {
		return fault.New(fault.Invalid, "a key's priority is from %d to %d, not %d", fleet.MinPriority, fleet.MaxPriority, priority)
	}
	return nil
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

func roleNames() string {
	names := make([]string, 0, len(fleet.Roles()))
	for _, role := range fleet.Roles() {
		names = append(names, string(role))
	}
	return strings.Join(names, ", ")
}

// newID returns a random identifier with 80 random bits.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:16]) }
