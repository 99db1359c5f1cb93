package config

import (
	"maps"

	"github.com/spf13/pflag"
)

// Source is where the layers are read from.
type Source struct {
	// Prefix begins the names of the program's variables, such as "CORRAL_AGENT".
	Prefix string
	// Environ is the environment as [os.Environ] returns it.
	Environ []string
	// Flags are the parsed flags that [BindFlags] made; nil means that none were given.
	Flags *pflag.FlagSet
	// File is the settings file where neither --config nor PREFIX_CONFIG names
	// one. Empty means none. A file that is named has to exist.
	File string
}

// Resolver is implemented by a struct of settings some of whose fields follow
// from others. Resolve is called once every layer is applied and before
// anything is validated; what it sets it also records in origins.
type Resolver interface {
	Resolve(origins Origins, report Report)
}

// Load sets the fields of the struct that cfg points to from every layer of
// the source, validates it, and says where each value comes from. An error is
// a [*Faults] with everything that is wrong; the struct is not usable then.
func Load(cfg any, from Source) (Origins, error) {
	origins := Origins{}
	var faults Faults
	fields := Fields(cfg)
	variables := environment(from.Environ)
	apply := func(set Origins, found []Fault) {
		maps.Copy(origins, set)
		faults.List = append(faults.List, found...)
	}
	if path := from.file(variables); path != "" {
		apply(loadFile(cfg, path))
	}
	apply(loadEnvironment(fields, from.Prefix, variables))
	if from.Flags != nil {
		apply(loadFlags(fields, from.Flags))
	}
	if resolver, ok := cfg.(Resolver); ok {
		resolver.Resolve(origins, faults.reporter("", origins))
	}
	if err := Validate(cfg, origins, faults.List...); err != nil {
		return nil, err
	}
	return origins, nil
}

// file returns the path of the settings file, empty for none.
func (s Source) file(variables map[string]string) string {
	if s.Flags != nil {
		if flag := s.Flags.Lookup(configFlag); flag != nil && flag.Changed {
			return flag.Value.String()
		}
	}
	if path := variables[variableName(s.Prefix, configFlag)]; path != "" {
		return path
	}
	return s.File
}
