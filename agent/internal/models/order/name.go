package order

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// What Ollama takes for the parts of a name, each of at most 80 bytes.
var modelName = regexp.MustCompile(`^(?:(?:\w[\w.:-]{0,349}/)?\w[\w-]{0,79}/)?\w[\w.-]{0,79}(?::\w[\w.-]{0,79})?$`)

// checkName says whether a model can have this name in an Ollama.
func checkName(name string) error {
	if !modelName.MatchString(name) {
		return fault.New(fault.Invalid, "a model cannot be called %q in Ollama: names are letters, digits, and . _ - between them, at most 80, with a tag behind a colon", name).On(fault.Caller)
	}
	return nil
}

// Canonical returns a name as Ollama compares it: whole, and in one case.
func Canonical(name string) string {
	tag := "latest"
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		name, tag = name[:at], name[at+1:]
	}
	parts := strings.Split(name, "/")
	host, namespace, model := "registry.ollama.ai", "library", parts[len(parts)-1]
	if len(parts) > 1 {
		namespace = parts[len(parts)-2]
	}
	if len(parts) > 2 {
		host = strings.Join(parts[:len(parts)-2], "/")
	}
	return strings.ToLower(host + "/" + namespace + "/" + model + ":" + cmp.Or(tag, "latest"))
}
