// Looking at the program, and building it.

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// look finds Pillion's source as the program sees it, and its version.
func (l *library) look() error {
	deps, err := goCommand("list", "-deps", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Dir}}", l.program)
	if err != nil {
		return err
	}
	var last string
	for line := range strings.Lines(deps) {
		last = strings.TrimSpace(line)
		if path, rest, _ := strings.Cut(last, "\t"); path == "pillion/capi" {
			_, dir, _ := strings.Cut(rest, "\t")
			l.tree = filepath.Dir(dir)
		}
	}
	if fields := strings.Split(last, "\t"); len(fields) < 2 || fields[1] != "main" {
		return fmt.Errorf("%s is not a program", l.program)
	}
	if l.tree == "" {
		return fmt.Errorf("%s: %w", l.program, errNoImport)
	}
	header, err := os.ReadFile(filepath.Join(l.tree, "include/pillion.h"))
	if err != nil {
		return err
	}
	for name, to := range map[string]*string{"MAJOR": &l.major, "MINOR": &l.minor} {
		m := regexp.MustCompile(`(?m)^#define PILLION_ABI_` + name + ` (\d+)$`).FindSubmatch(header)
		if m == nil {
			return fmt.Errorf("%s/include/pillion.h has no PILLION_ABI_%s", l.tree, name)
		}
		*to = string(m[1])
	}
	return nil
}

// build makes all files in dir.
func (l *library) build(dir string) error {
	linker := fmt.Sprintf(` -extldflags '"-Wl,--version-script=%s" -Wl,-soname,%s -Wl,-z,defs'`,
		filepath.Join(l.tree, "capi/pillion.map"), l.soname())
	if err := l.compile("c-shared", filepath.Join(dir, l.file()), linker); err != nil {
		return err
	}
	if err := l.compile("c-archive", filepath.Join(dir, l.archive()), ""); err != nil {
		return err
	}
	for from, to := range map[string]string{l.soname(): l.file(), l.link(): l.soname()} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "include"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"include/pillion.h", "include/pillion_loader.h"} {
		b, err := os.ReadFile(filepath.Join(l.tree, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, l.pc()), []byte(l.pkgConfig()), 0o644)
}

// compile runs go build. The header that cgo writes beside its product is of no
// use to anybody.
func (l *library) compile(mode, path, ldflags string) error {
	_, err := goCommand("build", "-buildmode="+mode, "-ldflags", l.ldflags+ldflags, "-o", path, l.program)
	if err != nil {
		return err
	}
	return os.RemoveAll(strings.TrimSuffix(path, filepath.Ext(path)) + ".h")
}

// pkgConfig is the .pc file. It serves from where it lies, so that the
// directory may be moved.
func (l *library) pkgConfig() string {
	version := l.version
	if version == "" {
		version = l.major + "." + l.minor
	}
	return strings.Join([]string{
		"prefix=${pcfiledir}",
		"includedir=${prefix}/include",
		"libdir=${prefix}",
		"",
		"Name: " + l.name,
		"Description: " + l.description,
		"Version: " + version,
		"Cflags: -I${includedir}",
		"Libs: -L${libdir} -l" + l.name,
		"Libs.private: -lpthread",
		"",
	}, "\n")
}

func goCommand(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.String(), nil
}
