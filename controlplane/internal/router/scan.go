package router

import "bytes"

// scanner walks over JSON without taking it apart. It is for looking, not for
// judging: of what is not valid it finds what can be found, and it gives up
// after so many steps that no body can hold a request up.
type scanner struct {
	data  []byte
	at    int
	steps int
	// bulk counts the bytes of strings that are no text, such as images.
	bulk int
}

const (
	// maxSteps bounds a scan: a string is one step, and so is each other byte.
	maxSteps = 4 << 20
	// A string of this length without a space in its beginning is no text.
	minBulk   = 4 << 10
	bulkProbe = 256
)

func (s *scanner) over() bool { return s.at >= len(s.data) || s.steps >= maxSteps }

// next skips what may stand between values and returns the byte there, or 0.
func (s *scanner) next() byte {
	for ; !s.over(); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			s.steps++
		default:
			return c
		}
	}
	return 0
}

// text skips a string, whose quote is next, and returns it without its quotes.
func (s *scanner) text() []byte {
	s.steps++
	s.at++
	start := s.at
	for s.at < len(s.data) && s.steps < maxSteps {
		end := bytes.IndexByte(s.data[s.at:], '"')
		if end < 0 {
			break
		}
		s.at += end + 1
		if !escaped(s.data[start : s.at-1]) {
			return s.weigh(s.data[start : s.at-1])
		}
		s.steps++
	}
	s.at = len(s.data)
	return s.weigh(s.data[start:])
}

func (s *scanner) weigh(text []byte) []byte {
	if len(text) >= minBulk && bytes.IndexByte(text[:bulkProbe], ' ') < 0 {
		s.bulk += len(text)
	}
	return text
}

// escaped reports whether what follows text is escaped by its last bytes.
func escaped(text []byte) bool {
	slashes := 0
	for i := len(text) - 1; i >= 0 && text[i] == '\\'; i-- {
		slashes++
	}
	return slashes%2 == 1
}

// value skips a value and returns it as it stands there, or the part of it that
// is there.
func (s *scanner) value() []byte {
	first := s.next()
	start := s.at
	switch first {
	case '"':
		s.text()
	case '{', '[':
		s.nested()
	default:
		for ; !s.over() && !ends(s.data[s.at]); s.at++ {
			s.steps++
		}
	}
	return s.data[start:s.at]
}

// nested skips an object or a list with all that is in it.
func (s *scanner) nested() {
	for depth := 0; !s.over(); {
		switch s.data[s.at] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		s.steps++
		if depth <= 0 {
			return
		}
	}
}

func ends(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\t', '\r', '\n', '"':
		return true
	}
	return false
}

// fields calls fn for each field of the object that is next, with the scanner
// before its value. What fn leaves of the value is skipped.
func (s *scanner) fields(fn func(name []byte)) {
	if s.next() != '{' {
		return
	}
	s.at++
	s.steps++
	for s.next() == '"' {
		name := s.text()
		s.next()
		before := s.at
		fn(name)
		if s.at == before {
			s.value()
		}
		if s.at == before {
			return // nothing is left, or nothing that could be a value
		}
	}
	if s.next() == '}' {
		s.at++
	}
}
