package typescript

import (
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// field is a field of an interface.
type field struct {
	name     string
	optional bool
	typ      string
	doc      string // before it
	note     string // behind it
}

// fieldsOf returns the fields of a struct with those of what is embedded in it,
// of which one of its own hides that of the same name.
func (g *generator) fieldsOf(key typeKey) ([]field, error) {
	src, err := g.open(key.pkg)
	if err != nil {
		return nil, err
	}
	t := src.types[key.name]
	if t == nil {
		return nil, fmt.Errorf("%s.%s: there is no such type", key.pkg, key.name)
	}
	s, ok := t.expr.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s.%s is embedded and no struct", key.pkg, key.name)
	}
	return g.fields(t.place, s, "")
}

func (g *generator) fields(at place, s *ast.StructType, indent string) ([]field, error) {
	var own, embedded []field
	before := 0 // how many of its own stand before what is embedded
	for _, f := range s.Fields.List {
		tag, _, omitted := jsonTag(f)
		switch {
		case omitted:
			continue
		case len(f.Names) == 0 && tag == "":
			key, ok := g.keyOf(at, f.Type)
			if !ok {
				return nil, fmt.Errorf("it embeds a type of another module, or a pointer")
			}
			inner, err := g.fieldsOf(key)
			if err != nil {
				return nil, err
			}
			embedded, before = append(embedded, inner...), len(own)
			continue
		}
		for _, name := range f.Names {
			if !name.IsExported() {
				continue
			}
			field, err := g.field(at, f, name.Name, indent)
			if err != nil {
				return nil, fmt.Errorf("field %s: %w", name.Name, err)
			}
			own = append(own, field)
		}
	}
	embedded = slices.DeleteFunc(embedded, func(e field) bool {
		return slices.ContainsFunc(own, func(f field) bool { return f.name == e.name })
	})
	return slices.Insert(own, before, embedded...), nil
}

// field declares one field.
func (g *generator) field(at place, f *ast.Field, name, indent string) (field, error) {
	tag, options, _ := jsonTag(f)
	if tag != "" {
		name = tag
	}
	declared := field{name: name, doc: f.Doc.Text(), note: strings.TrimSpace(f.Comment.Text())}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty", "omitzero":
			declared.optional = true
		default:
			return field{}, fmt.Errorf("the option %q of its tag is not known here", option)
		}
	}
	expr := f.Type
	if star, ok := expr.(*ast.StarExpr); ok && declared.optional {
		expr = star.X // left out where it would be null
	}
	var err error
	declared.typ, err = g.expression(at, expr, indent+"  ")
	return declared, err
}

// jsonTag returns the name and the options in a field's tag for JSON, and whether
// the field is no part of it.
func jsonTag(f *ast.Field) (name, options string, omitted bool) {
	if f.Tag == nil {
		return "", "", false
	}
	text, _ := strconv.Unquote(f.Tag.Value) // the parser has read it already
	tag := reflect.StructTag(text).Get("json")
	name, options, _ = strings.Cut(tag, ",")
	return name, options, tag == "-"
}

// block writes fields between braces.
func block(fields []field, indent string) string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, f := range fields {
		name := f.name
		if !plainName.MatchString(name) {
			name = quote(name)
		}
		if f.optional {
			name += "?"
		}
		b.WriteString(comment(f.doc, "", "", indent+"  ") + indent + "  " + name + ": " + f.typ + ";")
		if f.note != "" {
			b.WriteString(" // " + strings.ReplaceAll(f.note, "\n", " "))
		}
		b.WriteByte('\n')
	}
	return b.String() + indent + "}"
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// comment writes a comment, in which a type has its new name.
func comment(text, was, is, indent string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(text, was+" "); ok && was != "" {
		text = is + " " + rest
	}
	text = strings.ReplaceAll(text, "*/", "* /")
	lines := strings.Split(text, "\n")
	if len(lines) == 1 {
		return indent + "/** " + text + " */\n"
	}
	var b strings.Builder
	b.WriteString(indent + "/**\n")
	for _, line := range lines {
		b.WriteString(strings.TrimRight(indent+" * "+line, " ") + "\n")
	}
	return b.String() + indent + " */\n"
}

// quote writes a string of TypeScript, which JSON's are as well.
func quote(text string) string { return strconv.Quote(text) }
