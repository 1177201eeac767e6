// An interface as text: one file per version, kept for ever.

package abi

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Record is an interface as it is written down. It knows types by their names
// only.
type Record struct {
	Major, Minor int64
	Constants    []Constant
	Structs      []RecordStruct
	Functions    []RecordFunction
	Callbacks    []RecordFunction
}

// RecordStruct is a structure of a Record.
type RecordStruct struct {
	Name        string
	Size, Align int64
	Fields      []RecordField
}

// RecordField is a member of a RecordStruct.
type RecordField struct {
	Name, Type   string
	Offset, Size int64
}

// RecordFunction is a function of a Record.
type RecordFunction struct {
	Name, Result string
	Params       []RecordParam
}

// RecordParam is a parameter of a RecordFunction.
type RecordParam struct{ Name, Type string }

// Version is the version as it is said, "1.0".
func (r *Record) Version() string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }

// Record takes down x.
func (x *Interface) Record() *Record {
	r := &Record{Major: x.Major, Minor: x.Minor, Constants: x.Constants}
	for _, s := range x.Structs {
		rs := RecordStruct{Name: s.Name, Size: s.Size, Align: s.Align}
		for _, f := range s.Fields {
			rs.Fields = append(rs.Fields, RecordField{f.Name, f.Type.String(), f.Offset, f.Size})
		}
		r.Structs = append(r.Structs, rs)
	}
	take := func(functions []Function) (all []RecordFunction) {
		for _, f := range functions {
			rf := RecordFunction{Name: f.Name, Result: f.Result.String()}
			for _, p := range f.Params {
				rf.Params = append(rf.Params, RecordParam{p.Name, p.Type.String()})
			}
			all = append(all, rf)
		}
		return all
	}
	r.Functions, r.Callbacks = take(x.Functions), take(x.Callbacks)
	return r
}

// String is the text of a record.
func (r *Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "abi %d %d\n\n", r.Major, r.Minor)
	for _, c := range r.Constants {
		if c.Enum == "" {
			fmt.Fprintf(&b, "constant %s %d\n", c.Name, c.Value)
		} else {
			fmt.Fprintf(&b, "enumerator %s %d %s\n", c.Name, c.Value, c.Enum)
		}
	}
	for _, s := range r.Structs {
		fmt.Fprintf(&b, "\nstruct %s %d %d\n", s.Name, s.Size, s.Align)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "\t%d %d %s %s\n", f.Offset, f.Size, f.Name, f.Type)
		}
	}
	write := func(what string, functions []RecordFunction) {
		for _, f := range functions {
			fmt.Fprintf(&b, "\n%s %s %s\n", what, f.Name, f.Result)
			for _, p := range f.Params {
				fmt.Fprintf(&b, "\t%s %s\n", p.Name, p.Type)
			}
		}
	}
	write("callback", r.Callbacks)
	write("function", r.Functions)
	return b.String()
}

// ReadRecord reads what Record.String wrote.
func ReadRecord(text io.Reader) (*Record, error) {
	r := new(Record)
	var functions *[]RecordFunction // that the indented lines belong to, or to a structure
	lines := bufio.NewScanner(text)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		word, rest, _ := strings.Cut(line, " ")
		var err error
		switch {
		case line == "":
		case word == "abi":
			_, err = fmt.Sscan(rest, &r.Major, &r.Minor)
		case word == "constant":
			var c Constant
			_, err = fmt.Sscan(rest, &c.Name, &c.Value)
			r.Constants = append(r.Constants, c)
		case word == "enumerator":
			var c Constant
			_, err = fmt.Sscan(rest, &c.Name, &c.Value, &c.Enum)
			r.Constants = append(r.Constants, c)
		case word == "struct":
			var s RecordStruct
			_, err = fmt.Sscan(rest, &s.Name, &s.Size, &s.Align)
			r.Structs = append(r.Structs, s)
			functions = nil
		case word == "callback" || word == "function":
			if functions = &r.Functions; word == "callback" {
				functions = &r.Callbacks
			}
			var f RecordFunction
			f.Name, f.Result, _ = strings.Cut(rest, " ")
			*functions = append(*functions, f)
		case strings.HasPrefix(line, "\t") && functions != nil:
			var p RecordParam
			p.Name, p.Type, _ = strings.Cut(line[1:], " ")
			f := &(*functions)[len(*functions)-1]
			f.Params = append(f.Params, p)
		case strings.HasPrefix(line, "\t") && len(r.Structs) > 0:
			var f RecordField
			_, err = fmt.Sscan(line, &f.Offset, &f.Size, &f.Name)
			f.Type = strings.SplitN(line, " ", 4)[3]
			s := &r.Structs[len(r.Structs)-1]
			s.Fields = append(s.Fields, f)
		default:
			err = fmt.Errorf("what is %q?", line)
		}
		if err != nil {
			return nil, fmt.Errorf("abi: line %d: %w", n, err)
		}
	}
	return r, lines.Err()
}

// ReadRecords reads the records of a directory, oldest first.
func ReadRecords(dir string) ([]*Record, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		r, err := ReadRecord(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if name := filepath.Base(path); name != r.Version()+".txt" {
			return nil, fmt.Errorf("abi: %s holds the record of version %s", path, r.Version())
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Record) int { return int((a.Major-b.Major)<<32 + a.Minor - b.Minor) })
	return all, nil
}
