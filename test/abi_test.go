package test

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func abiProgram(t *testing.T) string {
	return cProgram(t, "abi", "abi_args", "abi_life", "abi_queues", "abi_serve", "abi_event", "abi_files", "abi_hijack",
		"abi_hot", "abi_load", "abi_fail", "abi_faults", "abi_machine")
}

// cCode is where in a library's file its C is, package capi's: addresses and
// lengths.
func cCode(t *testing.T, path string) string {
	sources, err := filepath.Glob("../capi/*.c")
	require.NoError(t, err)
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	var code []string
	ours := false
	for _, s := range symbols {
		switch {
		case elf.ST_TYPE(s.Info) == elf.STT_FILE:
			ours = slices.Contains(sources, "../capi/"+s.Name)
		case elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0:
		case ours && elf.ST_BIND(s.Info) == elf.STB_LOCAL, strings.HasPrefix(s.Name, "pl_"), strings.HasPrefix(s.Name, "pillion_"):
			code = append(code, fmt.Sprintf("%x-%x", s.Value, s.Size))
		}
	}
	require.NotEmpty(t, code)
	return strings.Join(code, ",")
}

// TestABI runs the scenarios of c/abi*.c, each in a process of its own: a
// library can be started once in a process.
func TestABI(t *testing.T) {
	program := abiProgram(t)
	names, err := exec.Command(program, library(t, "one")).Output()
	require.NoError(t, err)
	code := cCode(t, library(t, "one"))
	for _, name := range strings.Fields(string(names)) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, library(t, "one"), name)
			cmd.Env = append(os.Environ(), "ABI_C_CODE="+code)
			cmd.Env = append(cmd.Env, sanitizerEnv...)
			if sanitizing() {
				cmd.Env = append(cmd.Env, "ABI_SANITIZED=1")
			}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			assert.NoError(t, err, tail(stderr.String()))
			assert.Contains(t, stdout.String(), "passed\n")
			assertSane(t, stderr.String())
			if said := strings.TrimSuffix(stdout.String(), "passed\n"); said != "" {
				t.Log(strings.TrimSpace(said))
			}
		})
	}
}

// TestHeaders_CompileAlone compiles the public headers by themselves, and
// twice in one file, in every dialect that they are for.
func TestHeaders_CompileAlone(t *testing.T) {
	for _, header := range []string{"pillion.h", "pillion_loader.h"} {
		source := "#include \"" + header + "\"\n#include \"" + header + "\"\n" + initialised(t)
		for _, dialect := range []struct {
			language string
			std      []string
			programs []string
		}{
			{"c", []string{"c99", "c11", "c17", "gnu17"}, []string{"gcc", "clang"}},
			{"c++", []string{"c++11", "c++17", "c++20"}, []string{"g++", "clang++"}},
		} {
			for _, program := range dialect.programs {
				path, err := exec.LookPath(program)
				for _, std := range dialect.std {
					t.Run(header+"/"+program+"/"+std, func(t *testing.T) {
						if err != nil {
							missing(t, program)
						}
						cmd := exec.Command(path, "-x", dialect.language, "-std="+std, "-Wall", "-Wextra", "-pedantic",
							"-Wshadow", "-Wundef", "-Werror", "-I../include", "-c", "-o", filepath.Join(t.TempDir(), "o"), "-")
						cmd.Stdin = strings.NewReader(source)
						out, err := cmd.CombinedOutput()
						assert.NoError(t, err, "%s", out)
					})
				}
			}
		}
	}
}

// initialised is C, and C++, that uses every initialiser of pillion.h. A field
// that one forgets is a warning.
func initialised(t *testing.T) string {
	header, err := os.ReadFile("../include/pillion.h")
	require.NoError(t, err)
	macros := regexp.MustCompile(`(?m)^#define (PILLION_\w+_INIT) \{ sizeof\((\w+)\)`).FindAllStringSubmatch(string(header), -1)
	require.NotEmpty(t, macros)
	var source strings.Builder
	for _, m := range macros {
		fmt.Fprintf(&source, "extern const %[2]s a_%[2]s;\nconst %[2]s a_%[2]s = %[1]s;\n", m[1], m[2])
	}
	return source.String()
}

// TestLoader_SaysWhatIsWrong loads what is no library.
func TestLoader_SaysWhatIsWrong(t *testing.T) {
	program := abiProgram(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	require.NoError(t, os.WriteFile(text, []byte("no library at all"), 0o755))
	empty := filepath.Join(dir, "empty.so")
	require.NoError(t, os.WriteFile(empty, nil, 0o755))
	for _, c := range []struct{ name, path, says string }{
		{"missing", filepath.Join(dir, "none.so"), "there is no file"},
		{"directory", dir, "is not a file"},
		{"text", text, "is not a shared library"},
		{"empty", empty, "is not a shared library"},
		{"not_pillion", plugin(t, "stranger", strangerSource), "is not a Pillion library"},
		{"half_pillion", plugin(t, "half", halfSource), "is not a Pillion library"},
		{"other_abi", plugin(t, "future", futureSource), "ABI version 2.0"},
		{"older_abi", plugin(t, "past", pastSource), "ABI version 0.9"},
		{"lesser_abi", plugin(t, "lesser", lesserSource), "ABI version 1.0, but version 1.1 is needed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := exec.Command(program, c.path, "before_init").CombinedOutput()
			assert.Error(t, err)
			assert.Contains(t, string(out), c.says)
			assert.Contains(t, string(out), c.path)
			assert.Equal(t, 1, strings.Count(string(out), "\n"), "one sentence: %s", out)
		})
	}
}

// Libraries that are not what they should be.
const (
	strangerSource = "int stranger(void) { return 1; }\n"
	halfSource     = "unsigned pillion_abi(void) { return 1 << 16 | 1; }\n"
	futureSource   = "unsigned pillion_abi(void) { return 2 << 16; }\n"
	pastSource     = "unsigned pillion_abi(void) { return 9; }\n"
	lesserSource   = "unsigned pillion_abi(void) { return 1 << 16; }\n"
)
