// Declarations for Node's koffi.

package abi

import (
	"fmt"
	"strings"
)

// Koffi is a CommonJS module: constants, structures, prototypes with koffi's
// marks for what a function writes.
func (x *Interface) Koffi() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n'use strict';\n\nmodule.exports = {\n  constants: {\n", note)
	for _, c := range x.Constants {
		fmt.Fprintf(&b, "    %s: %d,\n", c.Name, c.Value)
	}
	b.WriteString("  },\n  statuses: {\n")
	for _, c := range x.statuses() {
		fmt.Fprintf(&b, "    '%d': '%s',\n", c.Value, c.Name)
	}
	b.WriteString("  },\n  structs: {\n")
	for _, s := range x.Structs {
		fmt.Fprintf(&b, "    %s: {\n", s.Name)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "      %s: '%s',\n", f.Name, koffiField(f.Type))
		}
		b.WriteString("    },\n")
	}
	b.WriteString("  },\n  functions: [\n")
	for _, f := range x.Functions {
		var params []string
		for i, p := range f.Params {
			many := i+1 < len(f.Params) && strings.HasSuffix(f.Params[i+1].Name, "_size")
			params = append(params, koffiParam(p, many))
		}
		fmt.Fprintf(&b, "    '%s',\n", f.Result.Declare(f.Name+"("+strings.Join(params, ", ")+")"))
	}
	b.WriteString("  ],\n};\n")
	return b.String()
}

func koffiField(t Type) Type {
	switch {
	case t.Bytes() || t.Kind == FunctionPointer:
		return voidPointer
	case t.Kind == Pointer:
		elem := *t.Elem
		elem.Const = false
		return Type{Kind: Pointer, Elem: &elem}
	}
	return t
}

// koffiParam declares a parameter; many says that it is an array to be filled.
func koffiParam(p Param, many bool) string {
	switch t := p.Type; {
	case t.Kind != Pointer:
		return t.Declare(p.Name)
	case many:
		return voidPointer.Declare(p.Name)
	case t.Bytes():
		elem := Type{Kind: Void, Name: "void", Const: t.Elem.Const}
		return Type{Kind: Pointer, Elem: &elem}.Declare(p.Name)
	case t.Elem.Const:
		return t.Declare(p.Name)
	case t.Elem.Kind == Structure:
		return "_Inout_ " + t.Declare(p.Name)
	default:
		elem := koffiField(*t.Elem)
		return "_Out_ " + Type{Kind: Pointer, Elem: &elem}.Declare(p.Name)
	}
}
