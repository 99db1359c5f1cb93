package storage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/fault"
)

// How long a key may be, and each of its segments: file systems take no longer ones.
const (
	MaxKeyBytes     = 1024
	MaxSegmentBytes = 255
)

// Reserved is the first segment of what backends keep for themselves, such as what
// is not whole yet.
const Reserved = ".corral"

// CheckKey returns nil for a key, and fault.Invalid on the caller's side for
// anything else. A key is 1 to [MaxKeyBytes] bytes of UTF-8 without control
// characters, in segments between single slashes, of 1 to [MaxSegmentBytes] bytes.
// None is "." or "..", and the first is not [Reserved]. Two keys are the same when their bytes are. Backends are only ever
// called with keys.
func CheckKey(key string) error {
	if key == "" {
		return invalid("a key is empty")
	}
	if err := checkBytes(key); err != nil {
		return err
	}
	first := true
	for segment := range strings.SplitSeq(key, "/") {
		switch {
		case segment == "":
			return invalid("the key %q begins or ends with a slash, or has two in a row", key)
		case segment == ".", segment == "..", first && segment == Reserved:
			return invalid("the key %q has a segment %q", key, segment)
		case len(segment) > MaxSegmentBytes:
			return invalid("a segment of the key %q is longer than %d bytes", key, MaxSegmentBytes)
		}
		first = false
	}
	return nil
}

// CheckPrefix returns nil for what a key may begin with, the empty one included,
// and fault.Invalid on the caller's side for anything else.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) < MaxKeyBytes && strings.HasSuffix(prefix, "/") {
		return CheckKey(prefix + "x")
	}
	switch err := CheckKey(prefix); {
	case err == nil:
		return nil
	case CheckKey(prefix+"x") == nil: // such as a ".", which goes on
		return nil
	default:
		return err
	}
}

func checkBytes(key string) error {
	switch {
	case len(key) > MaxKeyBytes:
		return invalid("a key of %d bytes is longer than %d", len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return invalid("the key %q is not UTF-8", key)
	case strings.ContainsFunc(key, unicode.IsControl):
		return invalid("the key %q has a control character", key)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).On(fault.Caller)
}
