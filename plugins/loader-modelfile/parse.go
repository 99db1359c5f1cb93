package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/fault"
)

// instruction is one of a Modelfile.
type instruction struct {
	line  int
	name  string // in capitals
	about string // the parameter's name, or who says a message
	value string
}

// parse reads a Modelfile as Ollama does: an instruction in a line, whose value may go
// on while its quotes are open.
func parse(text string) ([]instruction, error) {
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Corrupt, "the Modelfile is no text")
	}
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff")
	lines := strings.Split(text, "\n")
	var all []instruction
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || line[0] == '#' {
			continue
		}
		one := instruction{line: i + 1}
		name, rest := word(line)
		if one.name = strings.ToUpper(name); !known(one.name) {
			return nil, fault.New(fault.Invalid, "line %d of the Modelfile: there is no instruction %.40q", one.line, name)
		}
		if one.name == "PARAMETER" || one.name == "MESSAGE" {
			one.about, rest = word(rest)
		}
		value, closed := unquote(rest)
		for !closed && i+1 < len(lines) {
			i++
			rest += "\n" + lines[i]
			value, closed = unquote(strings.TrimSpace(rest))
		}
		switch {
		case !closed:
			return nil, fault.New(fault.Invalid, "line %d of the Modelfile: the quotes of %s are never closed", one.line, one.name)
		case rest == "":
			return nil, fault.New(fault.Invalid, "line %d of the Modelfile: %s has no value", one.line, one.name)
		}
		one.value = value
		all = append(all, one)
	}
	return all, nil
}

func known(name string) bool {
	switch name {
	case "FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE", "RENDERER", "PARSER", "REQUIRES":
		return true
	}
	return false
}

// word returns the first word of a line, and what follows it.
func word(line string) (first, rest string) {
	at := strings.IndexFunc(line, unicode.IsSpace)
	if at < 0 {
		return line, ""
	}
	return line[:at], strings.TrimSpace(line[at:])
}

// unquote returns what is between quotes, or a text without any as it is, and false
// where the quotes are still open.
func unquote(s string) (text string, closed bool) {
	for _, quotes := range []string{`"""`, `"`} {
		rest, opens := strings.CutPrefix(s, quotes)
		if !opens {
			continue
		}
		return strings.CutSuffix(rest, quotes)
	}
	return s, true
}
