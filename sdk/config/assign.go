package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// assigner sets fields from a tree of nodes and lists what is wrong with it.
type assigner struct {
	layer  Layer
	source string // file; empty for a body
	// fromAPI is set for a JSON body: sections cannot be empty, and the stand-in of
	// a secret keeps what is stored.
	fromAPI bool
	units   bool // whether sizes may have a unit

	fields   map[string]Field
	sections map[string][]string // path with its closing dot → the keys in it
	set      Origins             // fields that got a value
	faults   Faults
}

func newAssigner(cfg any, layer Layer, source string) *assigner {
	a := &assigner{
		layer: layer, source: source, units: true,
		fields: map[string]Field{}, sections: map[string][]string{}, set: Origins{},
	}
	for _, f := range Fields(cfg) {
		a.fields[f.Path] = f
		for path := f.Path; path != ""; {
			section, key := "", path
			if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
				section, key = path[:dot+1], path[dot+1:]
			}
			if !slices.Contains(a.sections[section], key) {
				a.sections[section] = append(a.sections[section], key)
			}
			path = strings.TrimSuffix(section, ".")
		}
	}
	return a
}

func (a *assigner) origin(line int) Origin {
	return Origin{Layer: a.layer, Source: a.source, Line: line}
}

func (a *assigner) fault(line int, field, format string, args ...any) {
	a.faults.add(a.origin(line), field, format, args...)
}

// section sets the fields below a prefix, which is empty or ends with a dot.
func (a *assigner) section(prefix string, n node) {
	if n.shape == shapeNull && !a.fromAPI {
		return // a section of which every line is a comment
	}
	if n.shape != shapeTable {
		a.fault(n.line, strings.TrimSuffix(prefix, "."), "wants a section with keys, not %s", n.shape)
		return
	}
	a.eachOnce(prefix, n, func(path string, e entry) {
		if f, ok := a.fields[path]; ok {
			a.field(f, e)
		} else if _, ok := a.sections[path+"."]; ok {
			a.section(path+".", e.value)
		} else {
			a.fault(e.line, path, "unknown key; known here: %s", strings.Join(a.sections[prefix], ", "))
		}
	})
}

// eachOnce calls fn for every key and lists those that are there twice.
func (a *assigner) eachOnce(prefix string, n node, fn func(path string, e entry)) {
	seen := map[string]bool{}
	for _, e := range n.entries {
		path := prefix + e.key
		if seen[e.key] {
			a.fault(e.line, path, "is there twice")
			continue
		}
		seen[e.key] = true
		fn(path, e)
	}
}

func (a *assigner) field(f Field, e entry) {
	before := len(a.faults.List)
	t := f.value.Type()
	switch {
	case isList(t):
		a.list(f, e.value)
	case isMap(t):
		a.table(f, e.value)
	case t == objectsType:
		a.objects(f, e.value)
	case a.fromAPI && f.Secret && e.value.shape == shapeText && e.value.text == keptSecret:
		return
	default:
		a.scalar(f.Path, f.value, e.value)
	}
	if len(a.faults.List) == before {
		a.set[f.Path] = a.origin(e.line)
	}
}

func (a *assigner) scalar(path string, v reflect.Value, n node) {
	if wrong := scalarFault(v.Type(), n, a.units); wrong != "" {
		a.fault(n.line, path, "%s", wrong)
	} else if err := parseScalar(v, n.text); err != nil {
		a.fault(n.line, path, "%v", err)
	}
}

func (a *assigner) list(f Field, n node) {
	if n.shape != shapeList {
		a.fault(n.line, f.Path, "wants a list, not %s", n.shape)
		return
	}
	t := f.value.Type()
	list := reflect.MakeSlice(t, len(n.items), len(n.items))
	for i, item := range n.items {
		a.scalar(fmt.Sprintf("%s[%d]", f.Path, i), list.Index(i), item)
	}
	f.value.Set(list)
}

func (a *assigner) table(f Field, n node) {
	if n.shape != shapeTable {
		a.fault(n.line, f.Path, "wants keys with values, not %s", n.shape)
		return
	}
	t := f.value.Type()
	entries := reflect.MakeMap(t)
	a.eachOnce(f.Path+".", n, func(path string, e entry) {
		value := reflect.New(t.Elem()).Elem()
		a.scalar(path, value, e.value)
		entries.SetMapIndex(reflect.ValueOf(e.key).Convert(t.Key()), value)
	})
	f.value.Set(entries)
}

// names returns the paths of the fields that got a value, sorted.
func (a *assigner) names() []string { return slices.Sorted(maps.Keys(a.set)) }
