// Command mkman makes manual pages of C headers that are their own manuals.
//
//	mkman DIRECTORY HEADER...
//
// writes NAME.3 for NAME.h into the directory, and for each function that the
// header declares a page that leads there. The pages' date is the header's, or
// SOURCE_DATE_EPOCH.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: mkman DIRECTORY HEADER...")
		os.Exit(2)
	}
	for _, header := range os.Args[2:] {
		if err := write(os.Args[1], header); err != nil {
			fmt.Fprintln(os.Stderr, "mkman:", err)
			os.Exit(1)
		}
	}
}

func write(dir, header string) error {
	text, err := os.ReadFile(header)
	if err != nil {
		return err
	}
	date, err := dateOf(header)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(header), ".h")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	page, functions, err := makePage(name, date, string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", header, err)
	}
	for _, f := range functions {
		if err := os.WriteFile(filepath.Join(dir, f+".3"), []byte(".so man3/"+name+".3\n"), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, name+".3"), []byte(page), 0o644)
}

func dateOf(header string) (string, error) {
	if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "", fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		return time.Unix(n, 0).UTC().Format(time.DateOnly), nil
	}
	info, err := os.Stat(header)
	if err != nil {
		return "", err
	}
	return info.ModTime().UTC().Format(time.DateOnly), nil
}
