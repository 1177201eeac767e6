// Command abigen writes the files that are generated from include/pillion.h.
//
//	abigen DIRECTORY        the top of the source tree
//	abigen -amend DIRECTORY  makes the record of the header's version anew
//
// The record of a version is written once. -amend is for a version that no
// library has been released with.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"pillion/capi/abi"
)

func main() {
	amend := flag.Bool("amend", false, "make the record of the header's version anew")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := generate(flag.Arg(0), *amend); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(root string, amend bool) error {
	if amend {
		if err := abi.Forget(root); err != nil {
			return err
		}
	}
	files, err := abi.Generate(root)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
			return err
		}
	}
	wrong, err := abi.Check(root)
	if err != nil {
		return err
	}
	for _, w := range wrong {
		fmt.Fprintln(os.Stderr, w)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("abigen: the header breaks the promise made to callers of recorded versions")
	}
	return nil
}
