// What a library shows to whoever links it.

package test

import (
	"bufio"
	"debug/elf"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/capi/abi"
)

// declared are the functions of pillion.h.
func declared(t *testing.T) []string {
	t.Helper()
	x, err := abi.Parse("../include/pillion.h")
	require.NoError(t, err)
	var names []string
	for _, f := range x.Functions {
		names = append(names, f.Name)
	}
	require.NotEmpty(t, names)
	slices.Sort(names)
	return names
}

// versions are the dynamic symbols that a shared object defines, each with its
// version.
func versions(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	require.NoError(t, err)
	found := map[string]string{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && s.Section != elf.SHN_ABS { // those are the names of the versions
			found[s.Name] = s.Version
		}
	}
	return found
}

// visible are the names of those symbols.
func visible(t *testing.T, path string) []string {
	t.Helper()
	var names []string
	for name := range versions(t, path) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestExports_MakeShowsTheContractAndNothingElse(t *testing.T) {
	assert.Equal(t, declared(t), visible(t, filepath.Join(product(t), "libpillion.so")))
}

func TestExports_EachFunctionHasTheVersionItCameWith(t *testing.T) {
	records, err := abi.ReadRecords("../capi/abi/records")
	require.NoError(t, err)
	want := map[string]string{}
	for _, r := range records {
		for _, f := range r.Functions {
			if want[f.Name] == "" {
				want[f.Name] = "PILLION_" + r.Version()
			}
		}
	}
	assert.Equal(t, want, versions(t, filepath.Join(product(t), "libpillion.so")))
}

func TestExports_TheArchiveHoldsTheContract(t *testing.T) {
	out, err := exec.Command("nm", "--defined-only", "--extern-only", "--format=posix", filepath.Join(product(t), "libpillion.a")).Output()
	require.NoError(t, err)
	var names []string
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "pillion_") {
			names = append(names, strings.Fields(lines.Text())[0])
		}
	}
	slices.Sort(names)
	assert.Equal(t, declared(t), names)
}

func TestExports_AnyBuildShowsTheContract(t *testing.T) {
	assert.Subset(t, visible(t, library(t, "one")), declared(t))
}
