package limits

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// span is a part of a body.
type span struct{ from, to int }

func (s span) of(body []byte) []byte { return body[s.from:s.to] }

// member is a name, with its quotes, and a value of an object.
type member struct{ quoted, value span }

// name returns the member's name as a decoder reads it.
func (m member) name(body []byte) string {
	raw := m.quoted.of(body)
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return "" // no name that anybody looks for
	}
	return name
}

// object is where an object begins, and what is in it.
type object struct {
	open    int
	members []member
}

// parseObject finds the members of the object at a place in the body. It looks at
// no more than it needs to tell them apart, and reports false where it finds
// anything but an object that is whole.
func parseObject(body []byte, at int) (*object, bool) {
	at = skipSpace(body, at)
	if at >= len(body) || body[at] != '{' {
		return nil, false
	}
	o := &object{open: at}
	at = skipSpace(body, at+1)
	if at < len(body) && body[at] == '}' {
		return o, true
	}
	for at < len(body) && body[at] == '"' {
		var m member
		m.quoted = span{at, skipString(body, at)}
		at = skipSpace(body, m.quoted.to)
		if at >= len(body) || body[at] != ':' {
			return nil, false
		}
		at = skipSpace(body, at+1)
		m.value = span{at, skipValue(body, at)}
		if m.value.to == m.value.from {
			return nil, false
		}
		o.members = append(o.members, m)
		at = skipSpace(body, m.value.to)
		if at >= len(body) {
			return nil, false
		}
		switch body[at] {
		case '}':
			return o, true
		case ',':
			at = skipSpace(body, at+1)
		default:
			return nil, false
		}
	}
	return nil, false
}

func skipSpace(body []byte, at int) int {
	for at < len(body) && (body[at] == ' ' || body[at] == '\n' || body[at] == '\r' || body[at] == '\t') {
		at++
	}
	return at
}

// skipString returns what is behind the string that begins here. Strings are
// where most of a body is: they are searched and not read.
func skipString(body []byte, at int) int {
	for from := at + 1; ; {
		quote := bytes.IndexByte(body[from:], '"')
		if quote < 0 {
			return len(body)
		}
		quote += from
		escapes := quote
		for escapes > at+1 && body[escapes-1] == '\\' {
			escapes--
		}
		if (quote-escapes)%2 == 0 {
			return quote + 1
		}
		from = quote + 1
	}
}

// skipValue returns what is behind the value that begins here.
func skipValue(body []byte, at int) int {
	for depth := 0; at < len(body); {
		switch body[at] {
		case '"':
			at = skipString(body, at)
		case '{', '[':
			depth++
			at++
			continue
		case '}', ']':
			if depth == 0 {
				return at
			}
			depth--
			at++
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return at
			}
			at++
			continue
		default:
			at++
			continue
		}
		if depth == 0 {
			return at
		}
	}
	return at
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// integer returns a JSON number without its fraction, as Ollama reads one. One
// that is too large for an integer is the largest, or the least.
func integer(raw []byte) (int64, bool) {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64, true
	case f <= math.MinInt64:
		return math.MinInt64, true
	case err != nil:
		return 0, false
	}
	return int64(f), true
}
