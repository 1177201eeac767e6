// The header of this tree: its promise, and what is generated from it.

package abi

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	header = root + "/include/pillion.h"
)

func TestHeader_KeepsThePromiseOfEveryRecordedVersion(t *testing.T) {
	wrong, err := Check(root)
	require.NoError(t, err)
	assert.Empty(t, wrong, strings.Join(wrong, "\n"))
}

func TestHeader_RecordSurvivesReading(t *testing.T) {
	x, err := Parse(header)
	require.NoError(t, err)
	text := x.Record().String()
	r, err := ReadRecord(strings.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, text, r.String())
	assert.Empty(t, Compare(x.Record(), r))
}

func TestGenerated_FilesAreFresh(t *testing.T) {
	files, err := Generate(root)
	require.NoError(t, err)
	for _, f := range files {
		there, err := os.ReadFile(filepath.Join(root, f.Path))
		require.NoError(t, err)
		assert.Equal(t, f.Text, string(there), "%s is stale: go generate ./capi/abi", f.Path)
	}
}

// Which functions are their queue's owner's stands at each, and in a list.
func TestHeader_ThreadsListsEveryFunctionOfTheOwner(t *testing.T) {
	text, err := os.ReadFile(header)
	require.NoError(t, err)
	var want, got []string
	for _, m := range regexp.MustCompile(`(?s)Owner only\..*?PILLION_EXPORT \w+ (pillion_\w+)\(`).FindAllSubmatch(text, -1) {
		want = append(want, string(m[1]))
	}
	list := regexp.MustCompile(`(?s)its owner, and (.*?) may only be`).FindSubmatch(text)
	require.NotNil(t, list)
	for _, name := range regexp.MustCompile(`\b(?:pillion)?_\w+`).FindAllString(string(list[1]), -1) {
		got = append(got, "pillion_"+strings.TrimPrefix(strings.TrimPrefix(name, "pillion"), "_"))
	}
	assert.Equal(t, want, got)
}

func TestAssertions_HoldForEveryCompiler(t *testing.T) {
	for _, compiler := range []string{"gcc", "clang"} {
		t.Run(compiler, func(t *testing.T) {
			out, err := compile(t, compiler, "testdata/layout.c")
			assert.NoError(t, err, "%s", out)
		})
	}
}

func TestAssertions_FailWhereTheyDoNotHold(t *testing.T) {
	x, err := Parse(header)
	require.NoError(t, err)
	for name, damage := range map[string]func(){
		"value": func() { x.Constants[3].Value++ }, "offset": func() { x.Structs[1].Fields[2].Offset++ },
		"size": func() { x.Structs[0].Size++ }, "parameter": func() { x.Functions[4].Params = nil },
	} {
		t.Run(name, func(t *testing.T) {
			x, err = Parse(header)
			require.NoError(t, err)
			damage()
			source := filepath.Join(t.TempDir(), "layout.c")
			require.NoError(t, os.WriteFile(source, []byte(x.Assertions()), 0o644))
			out, err := compile(t, "gcc", source)
			assert.Error(t, err)
			assert.Contains(t, string(out), "static assertion failed")
		})
	}
}

func compile(t *testing.T, compiler, source string) ([]byte, error) {
	if _, err := exec.LookPath(compiler); err != nil {
		if os.Getenv("CI") != "" || os.Getenv("PILLION_CI") != "" {
			t.Fatal("needed in CI, and missing: " + compiler)
		}
		t.Skip("missing: " + compiler)
	}
	return exec.Command(compiler, "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
		"-I"+root+"/include", source).CombinedOutput()
}

// What C calls in Go is declared twice: cgo's own declarations hold no const,
// so the C files have theirs in internal.h. No compiler sees both.
func TestGoExports_AreWhatCDeclares(t *testing.T) {
	exports, err := GoExports("..")
	require.NoError(t, err)
	unit, err := ReadUnit("../internal.h", root+"/include")
	require.NoError(t, err)
	declared, err := unit.Functions("pl_go_")
	require.NoError(t, err)
	assert.Equal(t, bare(declared), bare(exports))
	assert.NotEmpty(t, exports)
}

// The loader's list is another declaration that no compiler compares: symbols
// that are looked up at run time have no type.
func TestLoader_KnowsEveryFunctionByItsType(t *testing.T) {
	x, err := Parse(header)
	require.NoError(t, err)
	unit, err := ReadUnit(root + "/include/pillion_loader.h")
	require.NoError(t, err)
	api, err := unit.Struct("pillion_api")
	require.NoError(t, err)
	var want, got []string
	for _, f := range x.Functions {
		pointer := Type{Kind: FunctionPointer, Function: &f.Signature}
		want = append(want, strings.TrimPrefix(f.Name, "pillion_")+": "+pointer.String())
	}
	for _, f := range api.Fields {
		got = append(got, f.Name+": "+f.Type.String())
	}
	assert.Equal(t, want, got)
}

func bare(all map[string]Signature) map[string]string {
	m := map[string]string{}
	for name, s := range all {
		m[name] = s.Bare()
	}
	return m
}
