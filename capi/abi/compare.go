// What a change of the interface means for callers of an earlier version.

package abi

import (
	"fmt"
	"strings"
)

// Change is a difference between two versions of the interface.
type Change struct {
	What    string // "the function pillion_flush was removed"
	Why     string // why it is allowed, or what it breaks
	Allowed bool
}

func (c Change) String() string {
	if c.Allowed {
		return c.What + ": allowed, " + c.Why
	}
	return c.What + ": not allowed, " + c.Why
}

// comparison collects changes.
type comparison struct {
	old, new *Record
	changes  []Change
}

// Compare judges the differences from an earlier version to a later one. A new
// major version may change everything.
func Compare(old, new *Record) []Change {
	c := &comparison{old: old, new: new}
	switch {
	case new.Major < old.Major || new.Major == old.Major && new.Minor < old.Minor:
		c.breaks("new callers take this library for an older one",
			"the version went back from %s to %s", old.Version(), new.Version())
	case new.Major > old.Major:
		c.changes = append(c.changes, Change{
			fmt.Sprintf("the major version went from %d to %d", old.Major, new.Major),
			"callers of the old one refuse the library", true,
		})
		return c.changes
	}
	c.constants()
	c.structs()
	c.functions("function", old.Functions, new.Functions, "a program linked with it does not start any more")
	c.functions("callback", old.Callbacks, new.Callbacks, "a program that uses it does not compile any more")
	return c.changes
}

func (c *comparison) breaks(why, what string, args ...any) {
	c.changes = append(c.changes, Change{fmt.Sprintf(what, args...), why, false})
}

// adds is an addition: right if callers can tell by the version that it is
// there.
func (c *comparison) adds(what string, args ...any) {
	ch := Change{What: fmt.Sprintf(what, args...)}
	if c.new.Minor > c.old.Minor {
		ch.Why, ch.Allowed = "it is an addition of version "+c.new.Version(), true
	} else {
		ch.Why = fmt.Sprintf("callers could not tell by the version that it is there: raise PILLION_ABI_MINOR to %d", c.old.Minor+1)
	}
	c.changes = append(c.changes, ch)
}

func (c *comparison) constants() {
	now := index(c.new.Constants, func(k Constant) string { return k.Name })
	was := index(c.old.Constants, func(k Constant) string { return k.Name })
	for _, o := range c.old.Constants {
		n, ok := now[o.Name]
		switch {
		case o.Name == "PILLION_ABI_MINOR" || o.Name == "PILLION_ABI":
		case !ok:
			c.breaks("programs that use it do not compile any more", "the constant %s was removed", o.Name)
		case n.Value != o.Value:
			c.breaks("compiled callers go on using the old number", "the constant %s went from %d to %d", o.Name, o.Value, n.Value)
		}
	}
	for _, n := range c.new.Constants {
		if _, ok := was[n.Name]; !ok {
			c.adds("the constant %s is new", n.Name)
		}
	}
}

func (c *comparison) structs() {
	now := index(c.new.Structs, func(s RecordStruct) string { return s.Name })
	was := index(c.old.Structs, func(s RecordStruct) string { return s.Name })
	for _, o := range c.old.Structs {
		if n, ok := now[o.Name]; ok {
			c.structure(o, n)
		} else {
			c.breaks("programs that use it do not compile any more", "the structure %s was removed", o.Name)
		}
	}
	for _, n := range c.new.Structs {
		if _, ok := was[n.Name]; !ok {
			c.adds("the structure %s is new", n.Name)
		}
	}
}

func (c *comparison) structure(old, new RecordStruct) {
	const misread = "caller and library would read different memory"

	if new.Align != old.Align {
		c.breaks(misread, "the alignment of %s went from %d to %d", old.Name, old.Align, new.Align)
	}
	if new.Size < old.Size {
		c.breaks(misread, "%s shrank from %d to %d bytes", old.Name, old.Size, new.Size)
	}
	now := index(new.Fields, func(f RecordField) string { return f.Name })
	was := index(old.Fields, func(f RecordField) string { return f.Name })
	place := map[int64]RecordField{}
	for _, f := range new.Fields {
		place[f.Offset] = f
	}
	reused := map[string]bool{}
	for _, o := range old.Fields {
		name := old.Name + "." + o.Name
		n, ok := now[o.Name]
		if !ok {
			there, same := place[o.Offset]
			same = same && there.Size == o.Size
			switch {
			case same && strings.HasPrefix(o.Name, "reserved"):
				c.adds("the reserved field %s became %s", name, there.Name)
				reused[there.Name] = true
			case same && was[there.Name].Name == "":
				c.breaks("programs that use it do not compile any more", "the field %s was renamed to %s", name, there.Name)
				reused[there.Name] = true
			default:
				c.breaks(misread, "the field %s was removed", name)
			}
			continue
		}
		if n.Offset != o.Offset {
			c.breaks(misread, "the field %s moved from offset %d to %d", name, o.Offset, n.Offset)
		}
		if n.Type != o.Type {
			c.breaks(misread, "the type of the field %s went from %s to %s", name, o.Type, n.Type)
		}
	}
	for _, n := range new.Fields {
		name := new.Name + "." + n.Name
		switch _, ok := was[n.Name]; {
		case ok || reused[n.Name]:
		case n.Offset < old.Size:
			c.breaks("callers of the old version leave anything there", "the field %s was put between others", name)
		case !c.old.sized(old):
			c.breaks("no size goes with "+new.Name+", so callers of the old version pass shorter ones", "the field %s was appended", name)
		default:
			c.adds("the field %s was appended", name)
		}
	}
}

// sized says whether the library is told how long the caller's structure is: by
// its first field, or by an argument that says it in its name.
func (r *Record) sized(s RecordStruct) bool {
	if s.Fields[0].Name == "size" && s.Fields[0].Type == "uint32_t" {
		return true
	}
	for _, f := range r.Functions {
		for i, p := range f.Params[:max(0, len(f.Params)-1)] {
			if p.Type == s.Name+" *" && strings.HasSuffix(f.Params[i+1].Name, "_size") {
				return true
			}
		}
	}
	return false
}

func (c *comparison) functions(what string, old, new []RecordFunction, gone string) {
	now := index(new, func(f RecordFunction) string { return f.Name })
	was := index(old, func(f RecordFunction) string { return f.Name })
	for _, o := range old {
		n, ok := now[o.Name]
		if !ok {
			c.breaks(gone, "the %s %s was removed", what, o.Name)
			continue
		}
		if n.Result != o.Result {
			c.breaks("callers read the old type", "the result of %s went from %s to %s", o.Name, o.Result, n.Result)
		}
		if len(n.Params) != len(o.Params) {
			c.breaks("callers pass as many as before", "%s takes %d parameters instead of %d", o.Name, len(n.Params), len(o.Params))
			continue
		}
		for i, p := range o.Params {
			q := n.Params[i]
			if q.Type != p.Type {
				c.breaks("callers pass the old type", "the parameter %s of %s went from %s to %s", p.Name, o.Name, p.Type, q.Type)
			}
			if q.Name != p.Name {
				c.changes = append(c.changes, Change{
					fmt.Sprintf("the parameter %s of %s is now called %s", p.Name, o.Name, q.Name), "names of parameters reach no caller", true,
				})
			}
		}
	}
	for _, n := range new {
		if _, ok := was[n.Name]; !ok {
			c.adds("the %s %s is new", what, n.Name)
		}
	}
}

func index[T any](all []T, key func(T) string) map[string]T {
	m := make(map[string]T, len(all))
	for _, v := range all {
		m[key(v)] = v
	}
	return m
}
