// Assertions that make a C compiler confirm what was computed here.

package abi

import (
	"fmt"
	"strings"
)

// Assertions is a C file that compiles only where the interface lies in memory
// as x says, and where the initialisers set every field.
func (x *Interface) Assertions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "/* %s */\n\n#include <stddef.h>\n\n#include \"pillion.h\"\n\n", note)
	b.WriteString("#define IS(what, number) _Static_assert((what) == (number), #what \" is not \" #number)\n")
	b.WriteString("#define TYPE(function, ...) _Static_assert(_Generic(&function, __VA_ARGS__: 1, default: 0), #function)\n\n")
	for _, c := range x.Constants {
		fmt.Fprintf(&b, "IS(%s, %d);\n", c.Name, c.Value)
	}
	for _, s := range x.Structs {
		fmt.Fprintf(&b, "\nIS(sizeof(%s), %d);\nIS(_Alignof(%s), %d);\n", s.Name, s.Size, s.Name, s.Align)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "IS(offsetof(%s, %s), %d);\nIS(sizeof(((%s *) 0)->%s), %d);\n",
				s.Name, f.Name, f.Offset, s.Name, f.Name, f.Size)
		}
	}
	b.WriteString("\n")
	for _, f := range x.Functions {
		pointer := Type{Kind: FunctionPointer, Function: &f.Signature}
		fmt.Fprintf(&b, "TYPE(%s, %s);\n", f.Name, pointer)
	}
	return b.String()
}
