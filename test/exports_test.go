// What a library shows to whoever links it.

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// declared are the functions of pillion.h.
func declared(t *testing.T) []string {
	header, err := os.ReadFile("../include/pillion.h")
	require.NoError(t, err)
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^PILLION_EXPORT .*?\b(pillion_\w+)\(`).FindAllStringSubmatch(string(header), -1) {
		names = append(names, m[1])
	}
	require.NotEmpty(t, names)
	slices.Sort(names)
	return names
}

// defined are the dynamic symbols of a shared object.
func defined(t *testing.T, path string) []string {
	out, err := exec.Command("nm", "-D", "--defined-only", "--format=posix", path).Output()
	require.NoError(t, err)
	var names []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "@")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestExports_MakeShowsTheContractAndNothingElse(t *testing.T) {
	dir := tempDir(t, "make")
	cmd := exec.Command("make", "-s", "library", "BUILD="+dir)
	cmd.Dir = root()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	symbols := slices.DeleteFunc(defined(t, filepath.Join(dir, "libpillion.so")), func(s string) bool {
		return s == "PILLION_1.0" // the version itself
	})
	assert.Equal(t, declared(t), symbols)
}

func TestExports_AnyBuildShowsTheContract(t *testing.T) {
	assert.Subset(t, defined(t, library(t, "one")), declared(t))
}
