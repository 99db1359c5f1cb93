package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
)

// defaulter is a configuration with defaults other than zero.
type defaulter interface{ SetDefaults() }

// blank returns a configuration in which nothing is set.
func blank[C any]() *C {
	c := new(C)
	if d, ok := any(c).(defaulter); ok {
		d.SetDefaults()
	}
	return c
}

// parse returns a configuration, with the fields that were set apart, and what is
// wrong with it.
func parse[C any](body []byte, secrets map[string]string) (*C, []config.Fault) {
	c := blank[C]()
	if len(body) == 0 {
		body = []byte("{}")
	}
	_, faults := config.MergeJSONWithUnits(c, body)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		one, err := json.Marshal(nested(name, secrets[name]))
		if err != nil {
			faults = append(faults, config.Fault{Field: name, Message: "is not text"})
			continue
		}
		_, more := config.MergeJSONWithUnits(c, one)
		faults = append(faults, more...)
	}
	if all, ok := errors.AsType[*config.Faults](config.Validate(c, nil, faults...)); ok {
		return nil, all.List
	}
	return c, nil
}

// nested is a value under a path of keys.
func nested(path string, value any) any {
	first, rest, ok := strings.Cut(path, ".")
	if !ok {
		return map[string]any{path: value}
	}
	return map[string]any{first: nested(rest, value)}
}

// schemaOf returns the JSON Schema of a configuration, and which fields are secret.
func schemaOf(c any) (json.RawMessage, []string) {
	root := map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false}
	secrets := []string{}
	for _, f := range config.Fields(c) {
		section, name := root, f.Path
		for {
			first, rest, ok := strings.Cut(name, ".")
			if !ok {
				break
			}
			section, name = within(section, first, map[string]any{"type": "object", "additionalProperties": false}), rest
		}
		property := typeOf(reflect.TypeOf(f.Value()))
		if f.Help != "" {
			property["description"] = f.Help
		}
		if f.Secret {
			property["writeOnly"] = true
			secrets = append(secrets, f.Path)
		} else if v := reflect.ValueOf(f.Value()); !v.IsZero() {
			property["default"] = shown(f.Value())
		}
		within(section, name, property)
	}
	schema, err := json.Marshal(root)
	if err != nil { // what is in it was made here
		panic(err)
	}
	return schema, secrets
}

// within returns a property of a schema, which is made where it is missing.
func within(schema map[string]any, name string, otherwise map[string]any) map[string]any {
	properties, _ := schema["properties"].(map[string]any)
	if properties == nil {
		properties = map[string]any{}
		schema["properties"] = properties
	}
	if have, ok := properties[name].(map[string]any); ok {
		return have
	}
	properties[name] = otherwise
	return otherwise
}

func typeOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string"}
	case t == reflect.TypeFor[config.Size](): // with a unit, or bytes
		return map[string]any{"type": []string{"string", "integer"}}
	case t == reflect.TypeFor[config.Objects]():
		return map[string]any{"type": "array", "items": map[string]any{"type": "object"}}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return map[string]any{"type": "integer"}
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		return map[string]any{"type": "number"}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": typeOf(t.Elem())}
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	}
	return map[string]any{"type": "string"}
}

// shown is a default as it stands in a configuration.
func shown(v any) any {
	if text, ok := v.(fmt.Stringer); ok {
		return text.String()
	}
	return v
}

// explain prints the fields of a configuration, if it has any.
func explain(w io.Writer, c any) {
	fields := config.Fields(c)
	if len(fields) == 0 {
		return
	}
	fmt.Fprint(w, "\nAn instance is configured by:\n\n")
	for _, f := range fields {
		fmt.Fprintf(w, "    %-24s %s\n", f.Path, f.Help)
	}
}
