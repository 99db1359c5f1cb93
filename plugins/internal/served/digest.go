package served

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// DigestOf returns the sha256 that a server says a whole file has, in hexadecimal; ""
// where it says none: by Repr-Digest, by Digest, which it has replaced, or by the field
// that servers of artifacts send.
func DigestOf(h http.Header) string {
	for _, field := range []string{"Repr-Digest", "Digest"} {
		for one := range strings.SplitSeq(h.Get(field), ",") {
			algorithm, value, _ := strings.Cut(strings.TrimSpace(one), "=")
			if !strings.EqualFold(algorithm, "sha-256") {
				continue
			}
			if sum, err := base64.StdEncoding.DecodeString(strings.Trim(value, ":")); err == nil && CheckSHA256(hex.EncodeToString(sum)) {
				return hex.EncodeToString(sum)
			}
		}
	}
	if sum := strings.ToLower(h.Get("X-Checksum-Sha256")); CheckSHA256(sum) {
		return sum
	}
	return ""
}

// CheckSHA256 reports whether a text is a sha256 in hexadecimal, in lower case.
func CheckSHA256(text string) bool {
	const digits = 64
	return len(text) == digits && strings.Trim(text, "0123456789abcdef") == ""
}
