// Declarations for Python's ctypes.

package abi

import (
	"fmt"
	"strings"
)

// Ctypes is a Python module: constants, structures, prototypes. Bytes are void
// pointers, because ctypes ends a char pointer's value at the first NUL.
func (x *Interface) Ctypes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nimport ctypes as _c\n\n", note)
	for _, c := range x.Constants {
		fmt.Fprintf(&b, "%s = %d\n", c.Name, c.Value)
	}
	b.WriteString("\nSTATUSES = {\n")
	for _, c := range x.statuses() {
		fmt.Fprintf(&b, "    %d: %q,\n", c.Value, c.Name)
	}
	b.WriteString("}\n")
	for _, f := range x.Callbacks {
		fmt.Fprintf(&b, "\n%s = %s\n", f.Name, ctypesFunction(f.Signature))
	}
	for _, s := range x.Structs {
		fmt.Fprintf(&b, "\n\nclass %s(_c.Structure):\n    _fields_ = [\n", s.Name)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "        (%q, %s),\n", f.Name, ctypesType(f.Type))
		}
		b.WriteString("    ]\n")
	}
	b.WriteString("\n\nFUNCTIONS = {\n")
	for _, f := range x.Functions {
		result := ctypesType(f.Result)
		if f.Result.Bytes() {
			result = "_c.c_char_p" // the library's own sentences
		}
		var params []string
		for _, p := range f.Params {
			params = append(params, ctypesType(p.Type))
		}
		fmt.Fprintf(&b, "    %q: (%s, [%s]),\n", f.Name, result, strings.Join(params, ", "))
	}
	b.WriteString("}\n")
	return b.String()
}

// statuses are the enumerators of the status.
func (x *Interface) statuses() (all []Constant) {
	for _, c := range x.Constants {
		if c.Enum == "pillion_status" {
			all = append(all, c)
		}
	}
	return all
}

func ctypesType(t Type) string {
	switch {
	case t.Bytes():
		return "_c.c_void_p"
	case t.Kind == Pointer:
		return "_c.POINTER(" + ctypesType(*t.Elem) + ")"
	case t.Kind == FunctionPointer && t.Name == "":
		return ctypesFunction(*t.Function)
	case t.Kind == Integer:
		return "_c.c_" + strings.TrimSuffix(t.Name, "_t")
	case t.Kind == Void:
		return "None"
	}
	return t.Name
}

func ctypesFunction(s Signature) string {
	types := []string{ctypesType(s.Result)}
	for _, p := range s.Params {
		types = append(types, ctypesType(p.Type))
	}
	return "_c.CFUNCTYPE(" + strings.Join(types, ", ") + ")"
}
