// Package typescript declares Go types in TypeScript, as encoding/json writes
// them: the interface of a struct has its fields under the names of their tags,
// what may be left out is optional, a pointer that isn't left out may be null,
// and a type of strings is the union of its constants. Comments go along.
//
// It reads sources alone and builds nothing, so that a type may be unexported,
// and refuses what it does not know how to write. Two things it can't see, and
// takes for granted: a list or map is never nil unless it is left out, and
// bytes are text in base64.
package typescript

import (
	"bytes"
	"fmt"
	"go/ast"
	"strings"
)

// Type is a Go type to be declared.
type Type struct {
	Package string // the path of its package's folder below the module's root
	Name    string // in Go
	As      string // in TypeScript; empty: as in Go, with a capital
}

// Generate declares types, and those that they are made of, in this order. The
// module's root is a folder, its path the one that its packages are imported by.
func Generate(root, modulePath string, types []Type) ([]byte, error) {
	g := &generator{sources: sources{root: root, packages: map[string]*source{}}, modulePath: modulePath, names: map[typeKey]string{}}
	for _, t := range types {
		if _, err := g.nameOf(typeKey{t.Package, t.Name}, t.As); err != nil {
			return nil, err
		}
	}
	for len(g.queue) > 0 {
		key := g.queue[0]
		g.queue = g.queue[1:]
		if err := g.declare(key); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", key.pkg, key.name, err)
		}
	}
	return g.out.Bytes(), nil
}

// typeKey is a type by its package's folder and its name.
type typeKey struct {
	pkg, name string
}

// generator declares one type after the other.
type generator struct {
	sources
	modulePath string
	names      map[typeKey]string // in TypeScript, of those that are declared or will be
	queue      []typeKey          // those that will be
	out        bytes.Buffer
}

// nameOf returns what a type is called in TypeScript, and sees to it that it is
// declared.
func (g *generator) nameOf(key typeKey, as string) (string, error) {
	if name, known := g.names[key]; known {
		return name, nil
	}
	if as == "" {
		as = strings.ToUpper(key.name[:1]) + key.name[1:]
	}
	for other, name := range g.names {
		if name == as {
			return "", fmt.Errorf("%s.%s and %s.%s would both be %s", other.pkg, other.name, key.pkg, key.name, as)
		}
	}
	g.names[key] = as
	g.queue = append(g.queue, key)
	return as, nil
}

// declare writes the declaration of one type.
func (g *generator) declare(key typeKey) error {
	src, err := g.open(key.pkg)
	if err != nil {
		return err
	}
	t := src.types[key.name]
	switch {
	case t == nil:
		return fmt.Errorf("there is no such type")
	case t.generic:
		return fmt.Errorf("it has type parameters")
	case src.marshals[key.name]:
		return fmt.Errorf("it encodes itself")
	}
	name := g.names[key]
	var body string
	if _, isStruct := t.expr.(*ast.StructType); isStruct {
		fields, err := g.fieldsOf(key)
		if err != nil {
			return err
		}
		body = "export interface " + name + " " + block(fields, "") + "\n"
	} else {
		if body, err = g.alias(src, t, key.name); err != nil {
			return err
		}
		body = "export type " + name + " = " + body + ";\n"
	}
	g.out.WriteString("\n" + comment(t.doc, key.name, name, "") + body)
	return nil
}

// alias writes what a type that is no struct stands for.
func (g *generator) alias(src *source, t *typeSource, name string) (string, error) {
	if constants := src.constants[name]; len(constants) > 0 {
		return strings.Join(constants, " | "), nil
	}
	return g.expression(t.place, t.expr, "")
}
