package config

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxSecretSize is the largest file that holds one secret, in bytes.
const maxSecretSize = 64 << 10

// fileSuffix turns the name of a secret's variable into that of the variable
// that names a file with it.
const fileSuffix = "_FILE"

// serviceLink matches what Kubernetes adds to the environment for a service
// that bears the program's name: nobody wrote it, so it is no mistake.
var serviceLink = regexp.MustCompile(`^_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// variableName returns the name of the variable for a path or a flag.
func variableName(prefix, path string) string {
	return prefix + "_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(path))
}

// variables returns the names under which the field is looked up.
func (f Field) variables(prefix string) []string {
	if f.value.Type() == objectsType {
		return nil
	}
	names := []string{variableName(prefix, f.Path)}
	if f.ownFlag {
		if alias := variableName(prefix, f.Flag); alias != names[0] {
			names = append(names, alias)
		}
	}
	if f.Secret {
		for _, name := range slices.Clone(names) {
			names = append(names, name+fileSuffix)
		}
	}
	return names
}

// environment returns the variables that are set to something.
func environment(environ []string) map[string]string {
	variables := map[string]string{}
	for _, line := range environ {
		if name, value, _ := strings.Cut(line, "="); value != "" {
			variables[name] = value
		}
	}
	return variables
}

// loadEnvironment sets the fields that variables or credentials have.
func loadEnvironment(fields []Field, prefix string, variables map[string]string) (Origins, []Fault) {
	set, faults, known := Origins{}, Faults{}, map[string]bool{variableName(prefix, configFlag): true}
	for _, f := range fields {
		var found []string
		for _, name := range f.variables(prefix) {
			known[name] = true
			if variables[name] != "" {
				found = append(found, name)
			}
		}
		switch {
		case len(found) > 1:
			faults.add(Origin{Layer: Environment, Source: found[1]}, f.Path, "is set by %s already", found[0])
		case len(found) == 1:
			setVariable(f, found[0], variables[found[0]], set, &faults)
		case f.Secret && variables["CREDENTIALS_DIRECTORY"] != "":
			setCredential(f, filepath.Join(variables["CREDENTIALS_DIRECTORY"], f.Path), set, &faults)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		rest, ours := strings.CutPrefix(name, prefix)
		if ours && strings.HasPrefix(rest, "_") && !known[name] && !serviceLink.MatchString(rest) {
			faults.add(Origin{Layer: Environment, Source: name}, "", "unknown variable")
		}
	}
	return set, faults.List
}

func setVariable(f Field, name, value string, set Origins, faults *Faults) {
	origin := Origin{Layer: Environment, Source: name}
	if f.Secret && strings.HasSuffix(name, fileSuffix) {
		text, err := readSecret(value)
		if err != nil {
			faults.add(origin, f.Path, "%s: %v", value, err)
			return
		}
		value = text
	}
	if err := f.setTexts([]string{value}, true); err != nil {
		faults.add(origin, f.Path, "%v", err)
		return
	}
	set[f.Path] = origin
}
