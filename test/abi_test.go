package test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
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
		{"executable", executable(t, "exe"), "PILLION-3006: "},
		{"executable_pie", executable(t, "pie"), "PILLION-3006: "},
		{"executable_of_c", program, "PILLION-3006: "},
		{"object", object(t), "PILLION-3006: "},
		{"arm64", foreign(t, elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_AARCH64), "PILLION-3013: "},
		{"386", foreign(t, elf.ELFCLASS32, elf.ELFDATA2LSB, elf.EM_386), "another machine: 386; "},
		{"arm", foreign(t, elf.ELFCLASS32, elf.ELFDATA2LSB, elf.EM_ARM), "another machine: arm; "},
		{"s390x", foreign(t, elf.ELFCLASS64, elf.ELFDATA2MSB, elf.EM_S390), "another machine: s390x; "},
		{"mips", foreign(t, elf.ELFCLASS32, elf.ELFDATA2MSB, elf.EM_MIPS), "another machine: number 8 of ELF; build it with GOARCH=" + runtime.GOARCH},
		{"cut_in_its_code", cut(t, 500000), "PILLION-3014: "},
		{"cut_after_its_headers", cut(t, 2000), "PILLION-3014: "},
		{"cut_in_its_headers", cut(t, 100), "PILLION-3014: "},
		{"cut_in_its_header", cut(t, 40), "PILLION-3014: "},
		{"cut_after_its_magic", cut(t, 5), "PILLION-3014: "},
		{"not_there", overflowing(t), "PILLION-3014: "},
	} {
		if c.name == runtime.GOARCH {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			out, err := exec.Command(program, c.path, "before_init").CombinedOutput()
			assert.Error(t, err)
			assert.Contains(t, string(out), c.says)
			assert.Contains(t, string(out), c.path)
			assert.Equal(t, 1, strings.Count(string(out), "\n"), "one sentence: %s", out)
		})
	}
}

// TestLoader_TakesLibrariesThatAreUnusual loads what resembles an executable,
// or lacks what no loader needs.
func TestLoader_TakesLibrariesThatAreUnusual(t *testing.T) {
	program := abiProgram(t)
	interpreted := plugin(t, "interpreted", strangerSource+
		`const char interpreter[] __attribute__((section(".interp"))) = "/lib64/ld-linux-x86-64.so.2";`)
	f, err := elf.Open(interpreted)
	require.NoError(t, err)
	defer f.Close()
	require.True(t, slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }))
	stripped := filepath.Join(t.TempDir(), "stripped.so")
	copyFile(t, plugin(t, "stranger", strangerSource), stripped)
	end := int64(0)
	s, err := elf.Open(stripped)
	require.NoError(t, err)
	for _, p := range s.Progs {
		end = max(end, int64(p.Off+p.Filesz))
	}
	s.Close()
	require.NoError(t, os.Truncate(stripped, end))
	for name, path := range map[string]string{"interpreted": interpreted, "without_sections": stripped} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(program, path, "before_init").CombinedOutput()
			assert.Error(t, err)
			assert.Contains(t, string(out), "PILLION-3010: ", "the linker has taken it")
		})
	}
}

// executable is a Go program that is no library.
func executable(t *testing.T, mode string) string {
	return builtOnce("executable "+mode).get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, "executable-"+mode)
		out, err := exec.Command("go", "build", "-buildvcs=false", "-buildmode="+mode, "-o", path, "./app").CombinedOutput()
		return path, out, err
	})
}

// cut is a library of which so many bytes have been copied.
func cut(t *testing.T, size int64) string {
	path := filepath.Join(t.TempDir(), "cut.so")
	copyFile(t, library(t, "one"), path)
	require.NoError(t, os.Truncate(path, size))
	return path
}

// object is a library that has not been linked.
func object(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "object.so")
	cmd := exec.Command(compiler(t), "-c", "-x", "c", "-o", path, "-")
	cmd.Stdin = strings.NewReader(strangerSource)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// foreign is the beginning of a library of a machine.
func foreign(t *testing.T, class elf.Class, data elf.Data, machine elf.Machine) string {
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	head := make([]byte, 4096)
	copy(head, elf.ELFMAG)
	head[elf.EI_CLASS], head[elf.EI_DATA], head[elf.EI_VERSION] = byte(class), byte(data), byte(elf.EV_CURRENT)
	order.PutUint16(head[16:], uint16(elf.ET_DYN))
	order.PutUint16(head[18:], uint16(machine))
	path := filepath.Join(t.TempDir(), "foreign.so")
	require.NoError(t, os.WriteFile(path, head, 0o755))
	return path
}

// overflowing is a library whose segments end before the file begins, if one
// adds without care.
func overflowing(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "overflowing.so")
	library, err := os.ReadFile(plugin(t, "stranger", strangerSource))
	require.NoError(t, err)
	f, err := elf.NewFile(bytes.NewReader(library))
	require.NoError(t, err)
	if f.Class == elf.ELFCLASS64 {
		at := f.ByteOrder.Uint64(library[32:])
		f.ByteOrder.PutUint64(library[at+8:], ^uint64(4095)) // p_offset
		f.ByteOrder.PutUint64(library[at+32:], 8192)         // p_filesz
	} else {
		at := f.ByteOrder.Uint32(library[28:])
		f.ByteOrder.PutUint32(library[at+4:], ^uint32(4095))
		f.ByteOrder.PutUint32(library[at+16:], 8192)
	}
	require.NoError(t, os.WriteFile(path, library, 0o755))
	return path
}

// Libraries that are not what they should be.
const (
	strangerSource = "int stranger(void) { return 1; }\n"
	halfSource     = "unsigned pillion_abi(void) { return 1 << 16 | 1; }\n"
	futureSource   = "unsigned pillion_abi(void) { return 2 << 16; }\n"
	pastSource     = "unsigned pillion_abi(void) { return 9; }\n"
	lesserSource   = "unsigned pillion_abi(void) { return 1 << 16; }\n"
)
