// The files that are generated from the header.

package abi

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a generated file.
type File struct {
	Path string // below the top of the tree
	Text string
}

// records is where the records of all versions are, below the top of the tree.
const records = "capi/abi/records"

// note says in a generated file where it comes from.
const note = "Generated from include/pillion.h by go generate ./capi/abi; do not edit."

// Generate makes all files that depend on the header of the tree at root. The
// record of a version that is there already is not made anew.
func Generate(root string) ([]File, error) {
	x, err := Parse(filepath.Join(root, "include/pillion.h"))
	if err != nil {
		return nil, err
	}
	old, err := ReadRecords(filepath.Join(root, records))
	if err != nil {
		return nil, err
	}
	record := x.Record()
	files := []File{
		{"capi/pillion.map", SymbolMap(append(before(old, record), record))},
		{"capi/abi/testdata/layout.c", x.Assertions()},
		{"examples/python/pillion_abi.py", x.Ctypes()},
		{"examples/luajit/pillion_abi.lua", x.Lua()},
		{"examples/php/pillion.cdef.h", x.Cdef()},
		{"examples/ruby/pillion_abi.rb", x.Fiddle()},
		{"examples/node/pillion_abi.js", x.Koffi()},
	}
	for _, r := range old {
		if r.Version() == record.Version() {
			return files, nil
		}
	}
	return append(files, File{filepath.Join(records, record.Version()+".txt"), record.String()}), nil
}

// before are the records of the same major version that precede r.
func before(all []*Record, r *Record) []*Record {
	var earlier []*Record
	for _, o := range all {
		if o.Major == r.Major && o.Minor < r.Minor {
			earlier = append(earlier, o)
		}
	}
	return earlier
}

// Check says what is wrong with the tree's header in view of the recorded
// versions: every change that is not allowed, and whatever differs from the
// record of the header's own version.
func Check(root string) ([]string, error) {
	x, err := Parse(filepath.Join(root, "include/pillion.h"))
	if err != nil {
		return nil, err
	}
	old, err := ReadRecords(filepath.Join(root, records))
	if err != nil {
		return nil, err
	}
	return judge(x.Record(), old), nil
}

func judge(now *Record, recorded []*Record) (wrong []string) {
	found := false
	for _, r := range recorded {
		for _, c := range Compare(r, now) {
			if !c.Allowed {
				wrong = append(wrong, fmt.Sprintf("since version %s %s", r.Version(), c))
			}
		}
		found = found || r.Version() == now.Version()
	}
	if !found {
		wrong = append(wrong, fmt.Sprintf("version %s has no record yet: go generate ./capi/abi makes it", now.Version()))
	}
	return wrong
}

// Forget removes the record of the header's version.
func Forget(root string) error {
	x, err := Parse(filepath.Join(root, "include/pillion.h"))
	if err != nil {
		return err
	}
	err = os.Remove(filepath.Join(root, records, x.Record().Version()+".txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
