package typescript

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sources are the packages of a module that were read so far.
type sources struct {
	root     string
	packages map[string]*source // by their folder
}

// source is what matters of a package.
type source struct {
	types     map[string]*typeSource
	constants map[string][]string // string constants as TypeScript writes them, by the name of their type
	marshals  map[string]bool     // by name, the types that encode themselves
}

// typeSource is a type as it stands in the source.
type typeSource struct {
	place   place
	expr    ast.Expr
	doc     string
	generic bool
}

// place is where an expression stands, which says what the names in it mean.
type place struct {
	pkg     string
	imports map[string]string // paths by local name
}

// open reads a package once.
func (s *sources) open(pkg string) (*source, error) {
	if src := s.packages[pkg]; src != nil {
		return src, nil
	}
	dir := filepath.Join(s.root, pkg)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read a package: %w", err)
	}
	src := &source{types: map[string]*typeSource{}, constants: map[string][]string{}, marshals: map[string]bool{}}
	files := token.NewFileSet()
	for _, e := range entries {
		if name := e.Name(); filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, filepath.Join(dir, e.Name()), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read a package: %w", err)
		}
		src.add(pkg, file)
	}
	s.packages[pkg] = src
	return src, nil
}

// add takes over the declarations of a file.
func (s *source) add(pkg string, file *ast.File) {
	at := place{pkg: pkg, imports: map[string]string{}}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value) // the parser has read it already
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		at.imports[name] = path
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil && (d.Name.Name == "MarshalJSON" || d.Name.Name == "MarshalText") {
				s.marshals[receiver(d)] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				s.addSpec(at, d, spec)
			}
		}
	}
}

func (s *source) addSpec(at place, d *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		doc := spec.Doc
		if doc == nil && !d.Lparen.IsValid() {
			doc = d.Doc
		}
		s.types[spec.Name.Name] = &typeSource{place: at, expr: spec.Type, doc: doc.Text(), generic: spec.TypeParams != nil}
	case *ast.ValueSpec:
		typed, ok := spec.Type.(*ast.Ident)
		if d.Tok != token.CONST || !ok {
			return
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value) // the parser has read it already
				s.constants[typed.Name] = append(s.constants[typed.Name], quote(text))
			}
		}
	}
}

// receiver returns the name of the type that a method belongs to.
func receiver(method *ast.FuncDecl) string {
	t := method.Recv.List[0].Type
	if pointer, ok := t.(*ast.StarExpr); ok {
		t = pointer.X
	}
	if name, ok := t.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}
