package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxShown is how many faults are spelled out. Settings that have more are not
// settings at all, and their faults would be longer than what they are about.
const maxShown = 50

// Fault is one thing that is wrong with the settings.
type Fault struct {
	Origin  Origin // where it was found; the zero value where only the field is known
	Field   string // path of the field, such as "server.port"; may be empty
	Message string // what is wrong, in lower case, never with the value of a secret
}

// String returns the fault as one line: place, field, message.
func (f Fault) String() string {
	var parts []string
	if place := f.Origin.place(); place != "" {
		parts = append(parts, place)
	}
	if f.Field != "" {
		parts = append(parts, f.Field)
	}
	return strings.Join(append(parts, f.Message), ": ")
}

// Faults is everything that is wrong with the settings, in the order of the
// layers and of the lines in the file. Its kind is [fault.Invalid].
type Faults struct{ List []Fault }

// Error returns every fault, one a line.
func (f *Faults) Error() string { return f.join("\n") }

// Unwrap returns the faults as one sentence that a user may see.
func (f *Faults) Unwrap() error { return fault.New(fault.Invalid, "%s", f.join("; ")) }

func (f *Faults) join(separator string) string {
	var lines []string
	for i, one := range f.List {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(f.List)-maxShown))
			break
		}
		lines = append(lines, one.String())
	}
	return strings.Join(lines, separator)
}

func (f *Faults) add(origin Origin, field, format string, args ...any) {
	f.List = append(f.List, Fault{Origin: origin, Field: field, Message: fmt.Sprintf(format, args...)})
}

// names reports whether a fault of this field, or of an element of it, is listed.
func (f *Faults) names(field string) bool {
	return field != "" && slices.ContainsFunc(f.List, func(one Fault) bool {
		return one.Field == field || strings.HasPrefix(one.Field, field+"[") || strings.HasPrefix(one.Field, field+".")
	})
}

// err returns the sorted faults, or nil when there are none.
func (f *Faults) err() error {
	if len(f.List) == 0 {
		return nil
	}
	slices.SortStableFunc(f.List, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.Origin.Layer, b.Origin.Layer),
			cmp.Compare(a.Origin.Line, b.Origin.Line),
			cmp.Compare(a.Origin.Source, b.Origin.Source))
	})
	return f
}
