// Declarations for Ruby's Fiddle.

package abi

import (
	"fmt"
	"strings"
)

// Fiddle is a Ruby module: constants, and the structures and prototypes in the
// words of Fiddle::Importer, to which all pointers are alike.
func (x *Interface) Fiddle() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nmodule PillionABI\n", note)
	for _, c := range x.Constants {
		fmt.Fprintf(&b, "  %s = %d\n", c.Name, c.Value)
	}
	b.WriteString("\n  STATUSES = {\n")
	for _, c := range x.statuses() {
		fmt.Fprintf(&b, "    %d => %q,\n", c.Value, c.Name)
	}
	b.WriteString("  }.freeze\n\n  STRUCTS = {\n")
	for _, s := range x.Structs {
		fmt.Fprintf(&b, "    %s: [\n", s.Name)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "      %q,\n", fiddleType(f.Type).Declare(f.Name))
		}
		b.WriteString("    ],\n")
	}
	b.WriteString("  }.freeze\n\n  FUNCTIONS = [\n")
	for _, f := range x.Functions {
		var params []string
		for _, p := range f.Params {
			params = append(params, fiddleType(p.Type).String())
		}
		fmt.Fprintf(&b, "    %q,\n", fiddleType(f.Result).Declare(f.Name+"("+strings.Join(params, ", ")+")"))
	}
	b.WriteString("  ].freeze\nend\n")
	return b.String()
}

func fiddleType(t Type) Type {
	if t.Kind == Pointer || t.Kind == FunctionPointer {
		return voidPointer
	}
	return t
}

// voidPointer is what languages get that cannot tell pointers apart.
var voidPointer = Type{Kind: Pointer, Elem: &Type{Kind: Void, Name: "void"}}
