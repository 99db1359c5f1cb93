package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Field is one setting of a struct: what its tags say, and a way to its value.
type Field struct {
	Path   string // keys from the outermost section to the field, joined by dots
	Flag   string // name of its flag without the dashes; empty where it has none
	Help   string // one sentence
	Secret bool

	ownFlag bool // the tag names the flag
	value   reflect.Value
}

// Fields returns the fields of the struct that cfg points to, in its order.
// They read and write that struct.
func Fields(cfg any) []Field {
	v := reflect.ValueOf(cfg)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: %T is not a pointer to a struct", cfg))
	}
	fields := appendFields(nil, "", v.Elem())
	seen := map[string]string{}
	for _, f := range fields {
		name := variableName("", f.Path)
		if other, twice := seen[name]; twice {
			panic(fmt.Sprintf("config: %s and %s of %T share a variable", other, f.Path, cfg))
		}
		seen[name] = f.Path
	}
	return fields
}

func appendFields(fields []Field, prefix string, section reflect.Value) []Field {
	t := section.Type()
	for i := range t.NumField() {
		member := t.Field(i)
		if !member.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(member.Tag.Get("yaml"), ",")
		switch {
		case name == "-":
		case options == "inline":
			fields = appendFields(fields, prefix, section.Field(i))
		case name == "" || strings.ContainsAny(name, ".[]"):
			panic(fmt.Sprintf("config: field %s of %s needs a key in its yaml tag", member.Name, t))
		case isSection(member.Type):
			fields = appendFields(fields, prefix+name+".", section.Field(i))
		default:
			fields = append(fields, newField(prefix+name, member, section.Field(i)))
		}
	}
	return fields
}

func newField(path string, member reflect.StructField, value reflect.Value) Field {
	if !isScalar(member.Type) && !isList(member.Type) && !isMap(member.Type) && member.Type != objectsType {
		panic(fmt.Sprintf("config: %s has the type %s, which a setting cannot have", path, member.Type))
	}
	f := Field{Path: path, Help: member.Tag.Get("help"), Secret: member.Type == secretType, value: value}
	flag, named := member.Tag.Lookup("flag")
	f.ownFlag = named && flag != "-"
	switch {
	case f.ownFlag:
		f.Flag = flag
	case !named && !f.Secret && member.Type != objectsType:
		f.Flag = strings.NewReplacer(".", "-", "_", "-").Replace(path)
	}
	return f
}

// Value returns the field's value, with its own type.
func (f Field) Value() any { return f.value.Interface() }

// Changed returns the paths of the fields whose values differ between two
// structs of the same type, in their order. An empty list is like none.
func Changed(before, after any) []string {
	var paths []string
	others := Fields(after)
	for i, f := range Fields(before) {
		a, b := f.value, others[i].value
		if a.Kind() == reflect.Slice || a.Kind() == reflect.Map {
			if a.Len() == 0 && b.Len() == 0 {
				continue
			}
		}
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

var (
	secretType   = reflect.TypeFor[Secret]()
	sizeType     = reflect.TypeFor[Size]()
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

func isScalar(t reflect.Type) bool {
	return isText(t) || slices.Contains([]reflect.Kind{
		reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
	}, t.Kind())
}

func isList(t reflect.Type) bool {
	return !isText(t) && t.Kind() == reflect.Slice && isScalar(t.Elem())
}

func isMap(t reflect.Type) bool {
	return !isText(t) && t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && t.Elem().Kind() == reflect.String
}

func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }
