package config

import (
	"reflect"
	"slices"
	"strings"
)

// Report takes one fault of a field, named relative to the struct that reports
// it; an empty name means the struct itself. The message is in lower case and
// never holds a secret.
type Report = func(field string, format string, args ...any)

// Validator is implemented by a struct of settings, or a section of one, whose
// values have to keep to more than their types say. Validate reports
// everything that is wrong and changes nothing.
type Validator interface {
	Validate(report Report)
}

// Validate calls the [Validator] of every section and of the struct itself,
// and returns what they report, with what was found before, as a [*Faults]; nil
// when there is nothing. A field that was found wrong before is not judged
// again, because it does not have the value that was meant.
func Validate(cfg any, origins Origins, found ...Fault) error {
	faults := &Faults{List: slices.Clone(found)}
	validateSection("", reflect.ValueOf(cfg).Elem(), func(prefix string) Report {
		return faults.reporter(prefix, origins)
	})
	return faults.err()
}

// reporter returns a function that adds faults of the fields below prefix.
func (f *Faults) reporter(prefix string, origins Origins) Report {
	earlier := Faults{List: slices.Clone(f.List)}
	return func(field, format string, args ...any) {
		path := strings.TrimSuffix(prefix+field, ".")
		if !earlier.names(path) {
			f.add(origins.Of(path), path, format, args...)
		}
	}
}

func validateSection(prefix string, section reflect.Value, reporter func(prefix string) Report) {
	for i := range section.NumField() {
		member := section.Type().Field(i)
		name, options, _ := strings.Cut(member.Tag.Get("yaml"), ",")
		if !member.IsExported() || name == "-" || !isSection(member.Type) {
			continue
		}
		inner := prefix + name + "."
		if options == "inline" {
			inner = prefix
		}
		validateSection(inner, section.Field(i), reporter)
	}
	if v, ok := reflect.TypeAssert[Validator](section.Addr()); ok {
		v.Validate(reporter(prefix))
	}
}
