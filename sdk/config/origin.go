package config

import (
	"fmt"
	"maps"
)

// Layer is where a value comes from. Each stands over those before it.
type Layer uint8

// The layers. Saved is what a program that is configured while it runs keeps
// by itself; [Load] never reads it.
const (
	Default Layer = iota
	File
	Saved
	Environment
	Flag
)

// Origin says which layer set a field, and where in it.
type Origin struct {
	Layer  Layer
	Source string // file, variable, credential or flag; empty for a default
	Line   int    // in the file, from 1; 0 elsewhere
}

// String returns the origin for people: "corral.yaml:12", "CORRAL_AGENT_NAME",
// "--name", "saved", "default".
func (o Origin) String() string {
	if place := o.place(); place != "" {
		return place
	}
	return "default"
}

// place is String, but empty for a default.
func (o Origin) place() string {
	switch {
	case o.Layer == Saved:
		return "saved"
	case o.Line > 0:
		return fmt.Sprintf("%s:%d", o.Source, o.Line)
	}
	return o.Source
}

// Pinned reports whether whoever started the program chose the value, by flag
// or environment, so that nothing may change it while the program runs.
func (o Origin) Pinned() bool { return o.Layer >= Environment }

// Origins tells by the path of a field where its value comes from. A field
// that is not in it has its default.
type Origins map[string]Origin

// Of returns the origin of a field; of a path that is not set itself, such as
// an element of a list, that of the nearest one above it.
func (o Origins) Of(field string) Origin {
	for {
		if origin, ok := o[field]; ok {
			return origin
		}
		parent := parentOf(field)
		if parent == "" {
			return Origin{}
		}
		field = parent
	}
}

// Clone returns a copy.
func (o Origins) Clone() Origins { return maps.Clone(o) }

// parentOf cuts the last part off a path: "a.b[1]" gives "a.b", then "a".
func parentOf(field string) string {
	for i := len(field) - 1; i > 0; i-- {
		if field[i] == '.' || field[i] == '[' {
			return field[:i]
		}
	}
	return ""
}
