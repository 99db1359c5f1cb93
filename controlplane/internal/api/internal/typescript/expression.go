package typescript

import (
	"fmt"
	"go/ast"
	"strings"
)

// basic are Go's own types in TypeScript.
var basic = map[string]string{
	"string": "string", "bool": "boolean", "any": "unknown",
	"int": "number", "int8": "number", "int16": "number", "int32": "number", "int64": "number",
	"uint": "number", "uint8": "number", "uint16": "number", "uint32": "number", "uint64": "number",
	"byte": "number", "rune": "number", "float32": "number", "float64": "number",
}

// foreign are types of the standard library that encode themselves.
var foreign = map[string]string{
	"time.Time":                "string", // RFC 3339
	"encoding/json.RawMessage": "unknown",
}

// expression writes a type.
func (g *generator) expression(at place, expr ast.Expr, indent string) (string, error) {
	switch t := expr.(type) {
	case *ast.ParenExpr:
		return g.expression(at, t.X, indent)
	case *ast.StarExpr:
		inner, err := g.expression(at, t.X, indent)
		return inner + " | null", err
	case *ast.ArrayType:
		if element, ok := t.Elt.(*ast.Ident); ok && t.Len == nil && (element.Name == "byte" || element.Name == "uint8") {
			return "string", nil
		}
		// A list of pointers has no holes: nobody would know what they meant.
		element := t.Elt
		if star, ok := element.(*ast.StarExpr); ok {
			element = star.X
		}
		inner, err := g.expression(at, element, indent)
		if strings.Contains(inner, " | ") {
			inner = "(" + inner + ")"
		}
		return inner + "[]", err
	case *ast.MapType:
		if key, ok := t.Key.(*ast.Ident); !ok || key.Name != "string" {
			return "", fmt.Errorf("a map whose keys are no strings")
		}
		inner, err := g.expression(at, t.Value, indent)
		return "Record<string, " + inner + ">", err
	case *ast.StructType:
		fields, err := g.fields(at, t, indent)
		if len(fields) == 0 {
			return "Record<string, never>", err
		}
		return block(fields, indent), err
	case *ast.InterfaceType:
		return "unknown", nil
	case *ast.Ident, *ast.SelectorExpr:
		return g.named(at, t)
	}
	return "", fmt.Errorf("a type that has no JSON: %T", expr)
}

// named writes a type that has a name.
func (g *generator) named(at place, expr ast.Expr) (string, error) {
	if name, ok := expr.(*ast.Ident); ok && basic[name.Name] != "" {
		return basic[name.Name], nil
	}
	if selector, ok := expr.(*ast.SelectorExpr); ok {
		if pkg, ok := selector.X.(*ast.Ident); ok {
			if written := foreign[at.imports[pkg.Name]+"."+selector.Sel.Name]; written != "" {
				return written, nil
			}
		}
	}
	key, ok := g.keyOf(at, expr)
	if !ok {
		return "", fmt.Errorf("a type of another module, of which it is not known here how it is encoded")
	}
	return g.nameOf(key, "")
}

// keyOf returns which type of the module a name stands for.
func (g *generator) keyOf(at place, expr ast.Expr) (typeKey, bool) {
	switch t := expr.(type) {
	case *ast.Ident:
		return typeKey{at.pkg, t.Name}, true
	case *ast.SelectorExpr:
		if pkg, ok := t.X.(*ast.Ident); ok {
			folder, inside := strings.CutPrefix(at.imports[pkg.Name], g.modulePath+"/")
			return typeKey{folder, t.Sel.Name}, inside
		}
	}
	return typeKey{}, false
}
