package config

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
)

const (
	redacted = "[redacted]"
	// keptSecret stands for a secret in JSON. Sent back, it keeps what is stored.
	keptSecret = "***"
)

// Secret is text that nothing prints: formatting, logging and encoding show a
// stand-in, and [Secret.Reveal] is the one way to the text. The zero value is
// an empty secret.
type Secret struct {
	// A pointer, because formatting a struct that holds a Secret in an
	// unexported field bypasses its methods: an address is all that shows then.
	text *string
}

// NewSecret returns a secret of this text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether the secret has a text.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal reports whether both have the same text, in a time that does not
// depend on where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String hides the text. An empty secret is "".
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return `config.Secret("` + s.String() + `")` }

// Format hides the text from every verb of package fmt.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = f.Write([]byte(text)) // a formatter has no way to report an error
}

// MarshalText hides the text. An empty secret is "".
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes "***", or "" for an empty secret.
func (s Secret) MarshalJSON() ([]byte, error) {
	if !s.IsSet() {
		return []byte(`""`), nil
	}
	return json.Marshal(keptSecret)
}

// MarshalYAML hides the text. An empty secret is "".
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
