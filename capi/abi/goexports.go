// The functions of package capi that C calls, as cgo will declare them.

package abi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// GoExports are the functions of a directory's Go files that are exported to
// C. Go's types hold no const.
func GoExports(dir string) (map[string]Signature, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	all := map[string]Signature{}
	files := token.NewFileSet()
	for _, path := range paths {
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !exported(f) {
				continue
			}
			if all[f.Name.Name], err = goSignature(f.Type); err != nil {
				return nil, fmt.Errorf("abi: %s: %w", files.Position(f.Pos()), err)
			}
		}
	}
	return all, nil
}

func exported(f *ast.FuncDecl) bool {
	if f.Doc == nil {
		return false
	}
	for _, c := range f.Doc.List {
		if c.Text == "//export "+f.Name.Name {
			return true
		}
	}
	return false
}

func goSignature(f *ast.FuncType) (Signature, error) {
	s := Signature{Result: Type{Kind: Void, Name: "void"}}
	for _, p := range f.Params.List {
		t, err := goType(p.Type)
		if err != nil {
			return s, err
		}
		for _, name := range p.Names {
			s.Params = append(s.Params, Param{name.Name, t})
		}
	}
	if f.Results.NumFields() > 1 {
		return s, fmt.Errorf("more than one result")
	}
	if f.Results.NumFields() == 1 {
		var err error
		if s.Result, err = goType(f.Results.List[0].Type); err != nil {
			return s, err
		}
	}
	return s, nil
}

// goType is the type in C of C.name, *C.name and unsafe.Pointer.
func goType(x ast.Expr) (Type, error) {
	switch x := x.(type) {
	case *ast.StarExpr:
		elem, err := goType(x.X)
		return Type{Kind: Pointer, Elem: &elem}, err
	case *ast.SelectorExpr:
		pkg, _ := x.X.(*ast.Ident)
		switch name := x.Sel.Name; {
		case pkg != nil && pkg.Name == "unsafe" && name == "Pointer":
			return voidPointer, nil
		case pkg == nil || pkg.Name != "C":
		case name == "char":
			return Type{Kind: Char, Name: name}, nil
		case strings.HasSuffix(name, "_t") && strings.Contains(name, "int"):
			return Type{Kind: Integer, Name: name}, nil
		default:
			return Type{Kind: Structure, Name: name}, nil
		}
	}
	return Type{}, fmt.Errorf("the type %T is not one of C", x)
}

// Bare is the signature as a C type, without const and names.
func (s Signature) Bare() string {
	return strings.ReplaceAll(Type{Kind: FunctionPointer, Function: &s}.String(), "const ", "")
}
