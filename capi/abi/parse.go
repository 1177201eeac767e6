// From a C header to an Interface.

package abi

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"modernc.org/cc/v4"
)

// compiler asks the host's C compiler for its macros and include directories,
// once: it takes as long as all the rest.
var compiler = sync.OnceValues(func() (*cc.Config, error) {
	config, err := cc.NewConfig("linux", runtime.GOARCH)
	if err != nil {
		return nil, fmt.Errorf("abi: no C compiler to ask: %w", err)
	}
	config.Header = true
	config.EvalAllMacros = true
	return config, nil
})

// Unit is a C header that has been read, with all it includes.
type Unit struct {
	ast  *cc.AST
	file string
}

// ReadUnit reads a C header. Headers that it includes are looked for beside it
// and in dirs.
func ReadUnit(path string, dirs ...string) (*Unit, error) {
	config, err := compiler()
	if err != nil {
		return nil, err
	}
	c := *config
	c.IncludePaths = append([]string{"@"}, append(dirs, c.IncludePaths...)...)
	ast, err := cc.Translate(&c, []cc.Source{
		{Name: "<predefined>", Value: c.Predefined}, {Name: "<builtin>", Value: cc.Builtin}, {Name: path},
	})
	if err != nil {
		return nil, fmt.Errorf("abi: %s: %w", path, err)
	}
	return &Unit{ast: ast, file: filepath.Base(path)}, nil
}

// Parse reads pillion.h.
func Parse(path string) (*Interface, error) {
	u, err := ReadUnit(path)
	if err != nil {
		return nil, err
	}
	return u.Interface()
}

// named is a node of the file scope.
type named struct {
	name string
	cc.Node
}

// nodes are the declarations that stand in the header itself.
func (u *Unit) nodes() []named {
	var all []named
	for name, nodes := range u.ast.Scope.Nodes {
		for _, n := range nodes {
			if filepath.Base(n.Position().Filename) == u.file {
				all = append(all, named{name, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b named) int {
		return cmp.Compare(a.Position().Offset, b.Position().Offset)
	})
	return all
}

// Interface is what the header declares.
func (u *Unit) Interface() (*Interface, error) {
	constants, err := u.constants()
	if err != nil {
		return nil, err
	}
	x := &Interface{Constants: constants}
	for _, c := range constants {
		switch c.Name {
		case "PILLION_ABI_MAJOR":
			x.Major = c.Value
		case "PILLION_ABI_MINOR":
			x.Minor = c.Value
		}
	}
	for _, n := range u.nodes() {
		switch node := n.Node.(type) {
		case *cc.StructOrUnionSpecifier:
			s, err := structure(n.name, node)
			if err != nil {
				return nil, err
			}
			x.Structs = append(x.Structs, s)
		case *cc.Declarator:
			t := node.Type()
			if node.IsTypename() && t.Kind() != cc.Ptr {
				continue // the typedef of a structure
			}
			if p, ok := t.(*cc.PointerType); ok {
				t = p.Elem()
			}
			f, ok := t.(*cc.FunctionType)
			if !ok {
				return nil, fmt.Errorf("abi: %s: %s is neither a function nor a type", n.Position(), n.name)
			}
			s, err := signature(f)
			if err != nil {
				return nil, fmt.Errorf("abi: %s: %s: %w", n.Position(), n.name, err)
			}
			if node.IsTypename() {
				x.Callbacks = append(x.Callbacks, Function{n.name, s})
			} else {
				x.Functions = append(x.Functions, Function{n.name, s})
			}
		}
	}
	return x, nil
}

// Functions are the functions that the header declares whose names begin so.
func (u *Unit) Functions(prefix string) (map[string]Signature, error) {
	all := map[string]Signature{}
	for _, n := range u.nodes() {
		d, ok := n.Node.(*cc.Declarator)
		if !ok || d.IsTypename() || !strings.HasPrefix(n.name, prefix) {
			continue
		}
		f, ok := d.Type().(*cc.FunctionType)
		if !ok {
			continue
		}
		s, err := signature(f)
		if err != nil {
			return nil, fmt.Errorf("abi: %s: %s: %w", n.Position(), n.name, err)
		}
		all[n.name] = s
	}
	return all, nil
}

// Struct is a structure of the header.
func (u *Unit) Struct(name string) (Struct, error) {
	for _, n := range u.nodes() {
		if spec, ok := n.Node.(*cc.StructOrUnionSpecifier); ok && n.name == name {
			return structure(name, spec)
		}
	}
	return Struct{}, fmt.Errorf("abi: %s: there is no structure %s", u.file, name)
}

// constants are the macros with an integer value, and the enumerators.
func (u *Unit) constants() ([]Constant, error) {
	type placed struct {
		Constant
		line, nth int
	}
	var all []placed
	for name, m := range u.ast.Macros {
		if at := m.Position(); filepath.Base(at.Filename) == u.file && !m.IsFnLike {
			if v, ok := integer(m.Value()); ok {
				all = append(all, placed{Constant{Name: name, Value: v}, at.Line, 0})
			}
		}
	}
	for _, n := range u.nodes() {
		e, ok := n.Node.(*cc.EnumSpecifier)
		if !ok {
			continue
		}
		nth := 0
		for l := e.EnumeratorList; l != nil; l = l.EnumeratorList {
			v, ok := integer(l.Enumerator.Value())
			if !ok {
				return nil, fmt.Errorf("abi: %s: enumerator %s has no value", n.Position(), l.Enumerator.Token.SrcStr())
			}
			nth++
			all = append(all, placed{Constant{l.Enumerator.Token.SrcStr(), v, n.name}, n.Position().Line, nth})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.nth, b.nth))
	})
	var constants []Constant
	for _, c := range all {
		constants = append(constants, c.Constant)
	}
	return constants, nil
}

func integer(v cc.Value) (int64, bool) {
	switch v := v.(type) {
	case cc.Int64Value:
		return int64(v), true
	case cc.UInt64Value:
		return int64(v), true
	}
	return 0, false
}

func structure(name string, spec *cc.StructOrUnionSpecifier) (Struct, error) {
	t, ok := spec.Type().(*cc.StructType)
	if !ok {
		return Struct{}, fmt.Errorf("abi: %s: %s is a union", spec.Position(), name)
	}
	s := Struct{Name: name, Size: t.Size(), Align: int64(t.Align())}
	i := 0
	for l := spec.StructDeclarationList; l != nil; l = l.StructDeclarationList {
		constant := false
		for q := l.StructDeclaration.SpecifierQualifierList; q != nil; q = q.SpecifierQualifierList {
			constant = constant || q.TypeQualifier != nil && q.TypeQualifier.Case == cc.TypeQualifierConst
		}
		for d := l.StructDeclaration.StructDeclaratorList; d != nil; d = d.StructDeclaratorList {
			f := t.FieldByIndex(i)
			i++
			typ, err := typeOf(f.Type())
			if err == nil && f.IsBitfield() {
				err = fmt.Errorf("is a bit-field")
			}
			if err != nil {
				return Struct{}, fmt.Errorf("abi: %s: %s.%s: %w", d.Position(), name, f.Name(), err)
			}
			if constant {
				typ.named().Const = true // which cc does not keep for members
			}
			s.Fields = append(s.Fields, Field{f.Name(), typ, f.Offset(), f.Type().Size()})
		}
	}
	return s, nil
}

// named is the type that a declaration's specifiers name: what t points to at
// the end of all pointers, or what a function there returns.
func (t *Type) named() *Type {
	for {
		switch {
		case t.Kind == Pointer:
			t = t.Elem
		case t.Kind == FunctionPointer && t.Name == "":
			t = &t.Function.Result
		default:
			return t
		}
	}
}

func signature(f *cc.FunctionType) (Signature, error) {
	var s Signature
	var err error
	if s.Result, err = typeOf(f.Result()); err != nil {
		return s, fmt.Errorf("the result: %w", err)
	}
	if f.IsVariadic() {
		return s, fmt.Errorf("takes a variable number of arguments")
	}
	for _, p := range f.Parameters() {
		if p.Type().Kind() == cc.Void {
			continue // (void)
		}
		t, err := typeOf(p.Type())
		if err != nil {
			return s, fmt.Errorf("parameter %s: %w", p.Name(), err)
		}
		if t.Kind == Structure {
			return s, fmt.Errorf("parameter %s is a structure by value", p.Name())
		}
		s.Params = append(s.Params, Param{p.Name(), t})
	}
	return s, nil
}

func typeOf(t cc.Type) (Type, error) {
	constant := t.Attributes() != nil && t.Attributes().IsConst()
	name := ""
	if d := t.Typedef(); d != nil {
		name = d.Name()
	}
	switch x := t.(type) {
	case *cc.PointerType:
		if f, ok := x.Elem().(*cc.FunctionType); ok {
			s, err := signature(f)
			return Type{Kind: FunctionPointer, Name: name, Function: &s}, err
		}
		elem, err := typeOf(x.Elem())
		return Type{Kind: Pointer, Elem: &elem}, err
	case *cc.StructType:
		if name == "" {
			tag := x.Tag()
			name = tag.SrcStr()
		}
		return Type{Kind: Structure, Name: name, Const: constant}, nil
	case *cc.PredefinedType:
		switch {
		case t.Kind() == cc.Void:
			return Type{Kind: Void, Name: "void", Const: constant}, nil
		case t.Kind() == cc.Char:
			return Type{Kind: Char, Name: "char", Const: constant}, nil
		case strings.HasSuffix(name, "32_t") || strings.HasSuffix(name, "64_t"):
			return Type{Kind: Integer, Name: name, Const: constant}, nil
		}
	}
	return Type{}, fmt.Errorf("type %s is of no fixed width that every FFI knows", t)
}
