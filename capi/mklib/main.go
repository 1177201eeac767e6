// Command mklib makes a C library of a Go program that imports pillion/capi.
//
//	go run pillion/capi/mklib -name hello -o build .
//
// writes into the directory build
//
//	libhello.so.1.N   the library; only the functions of pillion.h are visible,
//	                  each with the version of the interface it came with
//	libhello.so.1     what programs linked with it load
//	libhello.so       what the linker looks for
//	libhello.a        the same to link statically
//	hello.pc          for pkg-config, usable where it lies
//	include/          pillion.h and pillion_loader.h
//
// Files that are there already are replaced by new ones, never written over: a
// server may have them mapped.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	var lib library
	flag.StringVar(&lib.name, "name", "", "the library's `name`, without lib and .so")
	flag.StringVar(&lib.version, "version", "", "the version to tell pkg-config; that of the interface if empty")
	flag.StringVar(&lib.description, "description", "A Go web application with the interface of pillion.h", "what to tell pkg-config")
	flag.StringVar(&lib.ldflags, "ldflags", "", "more -ldflags for go build")
	out := flag.String("o", ".", "the `directory` to write into")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: mklib -name NAME [-o DIRECTORY] [flags] [PACKAGE]")
		flag.PrintDefaults()
	}
	flag.Parse()
	lib.program = "."
	if flag.NArg() > 0 {
		lib.program = flag.Arg(0)
	}
	if flag.NArg() > 1 || lib.name == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := lib.makeIn(*out); err != nil {
		fmt.Fprintln(os.Stderr, "mklib:", err)
		os.Exit(1)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// makeIn builds the library in a directory beside the files it will replace,
// and moves it there when all of it has succeeded.
func (l *library) makeIn(dir string) error {
	if !plainName.MatchString(l.name) {
		return fmt.Errorf("%q cannot be the name of a library", l.name)
	}
	if err := l.look(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "include"), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := l.build(tmp); err != nil {
		return err
	}
	for _, name := range []string{l.file(), l.soname(), l.archive(), l.link(), l.pc(), "include/pillion.h", "include/pillion_loader.h"} {
		if err := os.Rename(filepath.Join(tmp, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// library is what is to be made.
type library struct {
	name, program, version, description, ldflags string

	tree         string // Pillion's source
	major, minor string // of its interface
}

func (l *library) link() string    { return "lib" + l.name + ".so" }
func (l *library) soname() string  { return l.link() + "." + l.major }
func (l *library) file() string    { return l.soname() + "." + l.minor }
func (l *library) archive() string { return "lib" + l.name + ".a" }
func (l *library) pc() string      { return l.name + ".pc" }

var errNoImport = errors.New(`the program does not import "pillion/capi"`)
