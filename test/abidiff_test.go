// What a second opinion, libabigail's, says of the library and its
// predecessors: it reads what the C compiler wrote into the files.

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/capi/abi"
)

const released = "../capi/abi/released"

// abidiff compares two libraries, or the dump of one with the other. Functions
// may be added, structures may grow as allowed.suppr says.
func abidiff(t *testing.T, old, new string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("abidiff"); err != nil {
		missing(t, "abidiff")
	}
	out, err := exec.Command("abidiff", "--no-added-syms", "--suppressions", filepath.Join(released, "allowed.suppr"), old, new).CombinedOutput()
	return string(out), err
}

func TestAbidiff_FindsNoBreakSinceAnyRelease(t *testing.T) {
	dumps, err := filepath.Glob(filepath.Join(released, "*."+runtime.GOARCH+".abi"))
	require.NoError(t, err)
	for _, dump := range dumps {
		out, err := abidiff(t, dump, filepath.Join(product(t), "libpillion.so"))
		assert.NoError(t, err, "since %s:\n%s", dump, out)
	}
}

// stub compiles a library that has the functions of a header and nothing in
// them.
func stub(t *testing.T, header string) string {
	cc := compiler(t)
	dir := tempDir(t, "stub")
	path := filepath.Join(dir, "pillion.h")
	require.NoError(t, os.WriteFile(path, []byte(header), 0o644))
	x, err := abi.Parse(path)
	require.NoError(t, err)
	var source strings.Builder
	source.WriteString("#include \"pillion.h\"\n")
	for _, f := range x.Functions {
		source.WriteString(f.Prototype() + " { return 0; }\n")
	}
	library := filepath.Join(dir, "stub.so")
	cmd := exec.Command(cc, "-g", "-shared", "-fPIC", "-I", dir, "-x", "c", "-", "-o", library)
	cmd.Stdin = strings.NewReader(source.String())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return library
}

func TestAbidiff_TellsAdditionsFromBreaks(t *testing.T) {
	b, err := os.ReadFile("../include/pillion.h")
	require.NoError(t, err)
	header := string(b)
	old := stub(t, header)
	for _, c := range []struct{ name, from, to, says string }{
		{"nothing", "", "", ""},
		{"function added", "PILLION_EXPORT uint32_t pillion_abi(void);", "PILLION_EXPORT uint32_t pillion_abi(void);\nPILLION_EXPORT int32_t pillion_new(void);", ""},
		{"field appended", "} pillion_queue_config;", "uint64_t appended; } pillion_queue_config;", ""},
		{"function removed", "PILLION_EXPORT int32_t pillion_release(uint64_t request);", "", "1 Removed function"},
		{"parameter changed", "pillion_release(uint64_t request)", "pillion_release(uint32_t request)", "parameter 1"},
		{"field put between", "    uint32_t max_in_flight;", "    uint64_t between; uint32_t max_in_flight;", "offset changed"},
		{"field appended to what has no size", "} pillion_pair;", "uint64_t appended; } pillion_pair;", "data member insertion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, header, c.from)
			out, err := abidiff(t, old, stub(t, strings.Replace(header, c.from, c.to, 1)))
			if c.says == "" {
				assert.NoError(t, err, "%s", out)
				return
			}
			assert.Error(t, err)
			assert.Contains(t, out, c.says)
		})
	}
}
