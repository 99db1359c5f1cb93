package fleet

import (
	"cmp"
	"strings"
)

// The parts of a model's name that go without saying.
const (
	defaultRegistry  = "registry.ollama.ai"
	defaultNamespace = "library"
	defaultTag       = "latest"
)

// The longest parts of a name that Ollama takes, in bytes.
const (
	maxRegistryBytes = 350
	maxPartBytes     = 80
)

// CanonicalModel returns the name under which a model is known. What Ollama
// takes for one model has one such name: it has a tag, no registry or namespace
// that goes without saying, and no capitals, as Ollama finds a model in whatever
// case its name is written. What is no name of a model is returned as it is, but
// for the spaces around it. [ShownModel] is the name for people.
func CanonicalModel(name string) string {
	name = strings.TrimSpace(name)
	short, ok := shortened(name)
	if !ok {
		return name
	}
	return strings.ToLower(short)
}

// ShownModel returns a name as Ollama's lists write it: as [CanonicalModel] does
// it, with the capitals that it has.
func ShownModel(name string) string {
	short, ok := shortened(name)
	if !ok {
		return name
	}
	return short
}

// ValidModel reports whether Ollama would take this for a model's name. It does
// not trim spaces, as Ollama does not.
func ValidModel(name string) bool {
	_, ok := shortened(name)
	return ok
}

// SameModel reports whether an Ollama takes both for the same model.
func SameModel(a, b string) bool {
	short, ok := shortened(a)
	other, fine := shortened(b)
	return ok && fine && strings.EqualFold(short, other)
}

// shortened returns a name without the registry and the namespace that go
// without saying, and with its tag. It is not ok where that is no name.
func shortened(name string) (short string, ok bool) {
	n := splitModel(name)
	if !n.valid() {
		return "", false
	}
	// What is left out stands at the beginning, so that nothing has to be put
	// together but a tag that is missing.
	short = name[n.start:]
	switch {
	case n.registry != "" && !strings.EqualFold(n.registry, defaultRegistry):
	case n.namespace == "":
	case strings.EqualFold(n.namespace, defaultNamespace):
		short = name[n.modelAt:]
	default:
		short = name[n.namespaceAt:]
	}
	if n.tag == "" {
		short += ":" + defaultTag
	}
	return short, true
}

// modelName is a name in its parts, [REGISTRY/][NAMESPACE/]MODEL[:TAG], and
// where some of them begin. A part that is left out is empty.
type modelName struct {
	registry, namespace, model, tag string

	start, namespaceAt, modelAt int
	broken                      bool // a separator has nothing on one of its sides
}

// splitModel takes a name apart from its end, as Ollama does.
func splitModel(name string) (n modelName) {
	rest := name
	if at := strings.LastIndexByte(rest, ':'); at > strings.LastIndexByte(rest, '/') {
		rest, n.tag = rest[:at], rest[at+1:]
		n.broken = rest == "" || n.tag == ""
	}
	if rest, n.model, n.modelAt = n.cut(rest); n.modelAt == 0 {
		return n
	}
	if rest, n.namespace, n.namespaceAt = n.cut(rest); n.namespaceAt == 0 {
		return n
	}
	n.registry = rest
	if at := strings.Index(rest, "://"); at >= 0 { // how to get there is no part of the name
		n.start = at + len("://")
		n.registry = rest[n.start:]
		n.broken = n.broken || n.registry == ""
	}
	return n
}

// cut returns what stands before the last slash and behind it, and where the
// latter begins: at 0 when there is no slash.
func (n *modelName) cut(s string) (before, after string, at int) {
	slash := strings.LastIndexByte(s, '/')
	if slash < 0 {
		return "", s, 0
	}
	before, after = s[:slash], s[slash+1:]
	n.broken = n.broken || before == "" || after == ""
	return before, after, slash + 1
}

func (n *modelName) valid() bool {
	return !n.broken &&
		validPart(cmp.Or(n.registry, defaultRegistry), maxRegistryBytes, ".:") &&
		validPart(cmp.Or(n.namespace, defaultNamespace), maxPartBytes, "") &&
		validPart(n.model, maxPartBytes, ".") &&
		validPart(cmp.Or(n.tag, defaultTag), maxPartBytes, ".")
}

// validPart reports whether a part begins with a letter, a digit or an
// underscore and goes on with those, hyphens and what more is allowed in it.
func validPart(part string, maxBytes int, more string) bool {
	if part == "" || len(part) > maxBytes {
		return false
	}
	for i := range len(part) {
		switch c := part[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_':
		case i > 0 && (c == '-' || strings.IndexByte(more, c) >= 0):
		default:
			return false
		}
	}
	return true
}
