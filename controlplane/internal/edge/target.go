package edge

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/fault"
)

// target is a request target taken apart once. The same segments route and so
// authorise: there is no second reading of the path that could differ.
type target struct {
	path     string   // canonical form of segments
	segments []string // percent-decoded; one may contain a slash
	urlKey   string   // of a leading /k/KEY
	query    url.Values
}

// parseTarget takes a request target apart. Repeated and trailing slashes don't
// count. Dot segments, plain or encoded, are refused and never resolved: no
// client sends them, and whatever stands in front of this server may have
// resolved them differently.
func parseTarget(raw, host string) (target, error) {
	var t target
	if raw == "*" {
		t.path = "*"
		return t, nil
	}
	raw, err := originForm(raw, host)
	if err != nil {
		return t, err
	}
	rawPath, rawQuery, _ := strings.Cut(raw, "?")
	if t.segments, err = splitPath(rawPath); err != nil {
		return t, err
	}
	if len(t.segments) >= 2 && t.segments[0] == "k" {
		t.urlKey, t.segments = t.segments[1], t.segments[2:]
	}
	t.path = joinPath(t.segments)
	if rawQuery != "" {
		if t.query, err = url.ParseQuery(rawQuery); err != nil {
			return t, fault.New(fault.Invalid, "the query of the URL is malformed")
		}
	}
	return t, nil
}

// originForm strips scheme and authority from what clients of a proxy send.
// The authority must agree with the Host header, which is what later checks see.
func originForm(raw, host string) (string, error) {
	if strings.HasPrefix(raw, "/") {
		return raw, nil
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !(strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return "", fault.New(fault.Invalid, "the request target is not a path")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if !strings.EqualFold(rest[:end], host) {
		return "", fault.New(fault.Invalid, "the request target and the Host header name different servers")
	}
	if rest = rest[end:]; !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest, nil
}

func splitPath(raw string) ([]string, error) {
	segments := make([]string, 0, 6)
	for part := range strings.SplitSeq(raw, "/") {
		if part == "" {
			continue
		}
		segment, err := url.PathUnescape(part)
		if err != nil {
			return nil, fault.New(fault.Invalid, "the path has a broken percent-encoding")
		}
		if segment == "." || segment == ".." {
			return nil, fault.New(fault.Invalid, "the path has a dot segment")
		}
		if !isText(segment) {
			return nil, fault.New(fault.Invalid, "the path has characters that are not text")
		}
		segments = append(segments, segment)
	}
	return segments, nil
}

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// joinPath is the inverse of splitPath: each list of segments has one path.
func joinPath(segments []string) string {
	if len(segments) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
