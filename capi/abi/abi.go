// What a header declares, as data.

// Package abi reads include/pillion.h as a compiler does. From what it finds it
// writes what depends on the header (declarations for other languages, the
// library's symbol versions, assertions for C compilers), and it judges whether
// a changed header keeps the promise made to callers of earlier versions.
package abi

import "strings"

//go:generate go run ./abigen ../..

// Interface is what a header declares, in its order.
type Interface struct {
	Major, Minor int64
	Constants    []Constant
	Callbacks    []Function // typedefs of pointers to functions
	Structs      []Struct
	Functions    []Function
}

// Constant is a #define with an integer value, or an enumerator.
type Constant struct {
	Name  string
	Value int64
	Enum  string // of an enumerator: its enumeration
}

// Struct is a structure and how it lies in memory.
type Struct struct {
	Name        string
	Size, Align int64
	Fields      []Field
}

// Field is a member of a structure.
type Field struct {
	Name         string
	Type         Type
	Offset, Size int64
}

// Function is a function, or a pointer to one.
type Function struct {
	Name string
	Signature
}

// Signature is a function's type.
type Signature struct {
	Result Type
	Params []Param
}

// Param is a parameter of a function.
type Param struct {
	Name string
	Type Type
}

// Kind says what a Type is.
type Kind int

// The kinds of types that the interface uses. There are no others in it, so
// that every FFI can call it.
const (
	Void Kind = iota
	Char
	Integer // of a fixed width
	Structure
	Pointer
	FunctionPointer
)

// Type is a C type.
type Type struct {
	Kind     Kind
	Name     string // of Integer, Structure, and FunctionPointer if it has one
	Const    bool
	Elem     *Type      // of Pointer
	Function *Signature // of FunctionPointer
}

// String is the type as it stands in C, without the names of parameters.
func (t Type) String() string {
	if t.Kind == FunctionPointer && t.Name == "" {
		s := Signature{Result: t.Function.Result}
		for _, p := range t.Function.Params {
			s.Params = append(s.Params, Param{Type: p.Type})
		}
		t.Function = &s
	}
	return t.Declare("")
}

// Declare is a declaration of name in C, which may be empty.
func (t Type) Declare(name string) string {
	if t.Kind == FunctionPointer && t.Name == "" {
		return t.Function.Result.Declare("(*" + name + ")" + t.Function.Parameters())
	}
	if t.Kind == Pointer {
		return t.Elem.Declare("*" + name)
	}
	word := t.Name
	if t.Const {
		word = "const " + word
	}
	return strings.TrimSuffix(word+" "+name, " ")
}

// Parameters are the parameters as they stand in C, with parentheses.
func (s Signature) Parameters() string {
	if len(s.Params) == 0 {
		return "(void)"
	}
	var params []string
	for _, p := range s.Params {
		params = append(params, p.Type.Declare(p.Name))
	}
	return "(" + strings.Join(params, ", ") + ")"
}

// Prototype is the function's declaration in C.
func (f Function) Prototype() string { return f.Result.Declare(f.Name + f.Parameters()) }

// Bytes says whether t points to bytes or to anything at all.
func (t Type) Bytes() bool {
	return t.Kind == Pointer && (t.Elem.Kind == Char || t.Elem.Kind == Void)
}
