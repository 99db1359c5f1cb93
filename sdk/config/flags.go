package config

import (
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// configFlag names the settings file, as a flag and as a variable.
const configFlag = "config"

// BindFlags adds the flag --config and one for each field of the struct that
// cfg points to, with its help and its present value as the default. Parsing
// them changes nothing: [Load] reads what was given, so that a wrong value is
// listed beside all other faults. A flag that is there already is a bug in the
// program and panics.
func BindFlags(flags *pflag.FlagSet, cfg any) {
	flags.String(configFlag, "", "settings file (YAML)")
	for _, f := range Fields(cfg) {
		if f.Flag == "" {
			continue
		}
		flag := flags.VarPF(&flagValue{text: f.Text(), kind: kindName(f.value.Type())}, f.Flag, "", f.Help)
		if f.value.Kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
	}
}

// flagValue collects what a flag was given, unread.
type flagValue struct {
	texts []string
	text  string // the default, then what was given last
	kind  string
}

// String implements [pflag.Value].
func (v *flagValue) String() string { return v.text }

// Set implements [pflag.Value]. It takes everything.
func (v *flagValue) Set(text string) error {
	v.texts, v.text = append(v.texts, text), text
	return nil
}

// Type implements [pflag.Value].
func (v *flagValue) Type() string { return v.kind }

// kindName is the word that help shows for a flag's value.
func kindName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == sizeType:
		return "size"
	case isList(t):
		return "list"
	case isMap(t):
		return "key=value"
	case isText(t):
		return "string"
	}
	return strings.TrimRight(t.Kind().String(), "0123456789")
}

// loadFlags sets the fields whose flags were given.
func loadFlags(fields []Field, flags *pflag.FlagSet) (Origins, []Fault) {
	set, faults := Origins{}, Faults{}
	for _, f := range fields {
		flag := flags.Lookup(f.Flag)
		if f.Flag == "" || flag == nil || !flag.Changed {
			continue
		}
		given, ok := flag.Value.(*flagValue)
		if !ok {
			continue // a flag of the program's own that happens to bear the name
		}
		origin := Origin{Layer: Flag, Source: "--" + f.Flag}
		if err := f.setTexts(given.texts, false); err != nil {
			faults.add(origin, f.Path, "%v", err)
			continue
		}
		set[f.Path] = origin
	}
	return set, faults.List
}
