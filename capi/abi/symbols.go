// The library's symbol versions, a linker script.

package abi

import (
	"fmt"
	"strings"
)

// SymbolMap is the linker's version script for the versions of a major version,
// oldest first: each function belongs to the version it came with.
func SymbolMap(versions []*Record) string {
	var b strings.Builder
	b.WriteString("/* " + note + " */\n")
	known := map[string]bool{}
	last := ""
	for i, r := range versions {
		var names []string
		for _, f := range r.Functions {
			if !known[f.Name] {
				known[f.Name] = true
				names = append(names, f.Name)
			}
		}
		if i > 0 && len(names) == 0 {
			continue
		}
		node := "PILLION_" + r.Version()
		fmt.Fprintf(&b, "\n%s {\n    global:\n", node)
		for _, name := range names {
			fmt.Fprintf(&b, "        %s;\n", name)
		}
		if i == 0 {
			b.WriteString("    local:\n        *;\n};\n")
		} else {
			fmt.Fprintf(&b, "} %s;\n", last)
		}
		last = node
	}
	return b.String()
}
