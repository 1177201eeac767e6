// Declarations in C for FFIs that parse it: PHP's and LuaJIT's.

package abi

import (
	"fmt"
	"strings"
)

// Cdef is the interface in plain C: no preprocessor, no attributes.
func (x *Interface) Cdef() string { return "/* " + note + " */\n\n" + x.declarations() }

// Lua is the same as a Lua chunk that returns the text.
func (x *Interface) Lua() string {
	return "-- " + note + "\n\nreturn [[\n" + x.declarations() + "]]\n"
}

func (x *Interface) declarations() string {
	var b strings.Builder
	b.WriteString("enum {\n")
	for i, c := range x.Constants {
		comma := ","
		if i == len(x.Constants)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    %s = %d%s\n", c.Name, c.Value, comma)
	}
	b.WriteString("};\n\n")
	for _, s := range x.Structs {
		fmt.Fprintf(&b, "typedef struct %s %s;\n", s.Name, s.Name)
	}
	b.WriteString("\n")
	for _, f := range x.Callbacks {
		pointer := Type{Kind: FunctionPointer, Function: &f.Signature}
		fmt.Fprintf(&b, "typedef %s;\n", pointer.Declare(f.Name))
	}
	for _, s := range x.Structs {
		fmt.Fprintf(&b, "\nstruct %s {\n", s.Name)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "    %s;\n", f.Type.Declare(f.Name))
		}
		b.WriteString("};\n")
	}
	b.WriteString("\n")
	for _, f := range x.Functions {
		fmt.Fprintf(&b, "%s;\n", f.Prototype())
	}
	return b.String()
}
