// Changed headers, and what is said of the changes.

package abi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// first is a small header, version 1.0 of something.
const first = `#include <stdint.h>
#define PILLION_ABI_MAJOR 1
#define PILLION_ABI_MINOR 0
#define PILLION_LIMIT 8u
enum pillion_status { PILLION_OK = 0, PILLION_E_ARG = -1 };
typedef struct pillion_pair { const char *name; uint32_t name_len; uint32_t value_len; } pillion_pair;
typedef struct pillion_config { uint32_t size; uint32_t flags; const pillion_pair *env; int32_t fd; uint32_t reserved; } pillion_config;
typedef struct pillion_event { uint64_t request; uint32_t flags; uint32_t len; } pillion_event;
typedef struct pillion_io { uint32_t size; uint32_t ms; int32_t (*flush)(void *data); } pillion_io;
typedef void (*pillion_log_fn)(void *data, int32_t level);
int32_t pillion_init(const pillion_config *config);
int32_t pillion_poll(uint64_t queue, pillion_event *events, uint32_t event_size, uint32_t cap);
int32_t pillion_flush(uint64_t queue);
`

func record(t *testing.T, text string) *Record {
	path := filepath.Join(t.TempDir(), "pillion.h")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	x, err := Parse(path)
	require.NoError(t, err)
	return x.Record()
}

// edited is first with pairs of texts replaced.
func edited(t *testing.T, edits ...string) *Record {
	text := first
	for i := 0; i < len(edits); i += 2 {
		require.Contains(t, text, edits[i])
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return record(t, text)
}

func edit(edits ...string) []string { return edits }

// minor makes an edit one of version 1.1.
func minor(edits ...string) []string { return append(edits, "MINOR 0", "MINOR 1") }

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []string
		says  []string
	}{
		{"nothing", minor(), nil},
		{"function removed", minor("int32_t pillion_flush(uint64_t queue);\n", ""),
			[]string{"the function pillion_flush was removed: not allowed, a program linked with it does not start any more"}},
		{"parameter changed", minor("pillion_flush(uint64_t queue)", "pillion_flush(uint32_t queue)"),
			[]string{"the parameter queue of pillion_flush went from uint64_t to uint32_t: not allowed, callers pass the old type"}},
		{"pointer parameter changed", minor("const pillion_config *config", "pillion_config *config"),
			[]string{"the parameter config of pillion_init went from const pillion_config * to pillion_config *: not allowed, callers pass the old type"}},
		{"parameter added", minor("pillion_flush(uint64_t queue)", "pillion_flush(uint64_t queue, uint32_t how)"),
			[]string{"pillion_flush takes 2 parameters instead of 1: not allowed, callers pass as many as before"}},
		{"parameter renamed", edit("pillion_flush(uint64_t queue)", "pillion_flush(uint64_t q)"),
			[]string{"the parameter queue of pillion_flush is now called q: allowed, names of parameters reach no caller"}},
		{"result changed", minor("int32_t pillion_flush", "int64_t pillion_flush"),
			[]string{"the result of pillion_flush went from int32_t to int64_t: not allowed, callers read the old type"}},
		{"fields reordered", minor("uint64_t request; uint32_t flags; uint32_t len;", "uint32_t flags; uint32_t len; uint64_t request;"),
			[]string{
				"the field pillion_event.request moved from offset 0 to 8: not allowed, caller and library would read different memory",
				"the field pillion_event.flags moved from offset 8 to 0: not allowed, caller and library would read different memory",
				"the field pillion_event.len moved from offset 12 to 4: not allowed, caller and library would read different memory",
			}},
		{"field retyped", minor("int32_t fd;", "uint32_t fd;"),
			[]string{"the type of the field pillion_config.fd went from int32_t to uint32_t: not allowed, caller and library would read different memory"}},
		{"callback field retyped", minor("(*flush)(void *data)", "(*flush)(void *data, int32_t how)"),
			[]string{"the type of the field pillion_io.flush went from int32_t (*)(void *) to int32_t (*)(void *, int32_t): not allowed, caller and library would read different memory"}},
		{"field renamed", minor("uint32_t len; }", "uint32_t length; }"),
			[]string{"the field pillion_event.len was renamed to length: not allowed, programs that use it do not compile any more"}},
		{"reserved field used", minor("uint32_t reserved;", "int32_t other;"),
			[]string{"the reserved field pillion_config.reserved became other: allowed, it is an addition of version 1.1"}},
		{"field removed", minor(" uint32_t len; }", " }"),
			[]string{"the field pillion_event.len was removed: not allowed, caller and library would read different memory"}},
		{"field put between", minor("const pillion_pair *env;", "const pillion_pair *env; uint64_t new;"),
			[]string{
				"the field pillion_config.fd moved from offset 16 to 24: not allowed, caller and library would read different memory",
				"the field pillion_config.reserved moved from offset 20 to 28: not allowed, caller and library would read different memory",
				"the field pillion_config.new was put between others: not allowed, callers of the old version leave anything there",
			}},
		{"field appended", minor("uint32_t reserved; }", "uint32_t reserved; int64_t more; }"),
			[]string{"the field pillion_config.more was appended: allowed, it is an addition of version 1.1"}},
		{"field appended whose size is an argument", minor("uint32_t len; }", "uint32_t len; uint64_t more; }"),
			[]string{"the field pillion_event.more was appended: allowed, it is an addition of version 1.1"}},
		{"field appended to what has no size", minor("uint32_t value_len; }", "uint32_t value_len; uint64_t more; }"),
			[]string{"the field pillion_pair.more was appended: not allowed, no size goes with pillion_pair, so callers of the old version pass shorter ones"}},
		{"field appended without a version", edit("uint32_t reserved; }", "uint32_t reserved; int64_t more; }"),
			[]string{"the field pillion_config.more was appended: not allowed, callers could not tell by the version that it is there: raise PILLION_ABI_MINOR to 1"}},
		{"structure removed", minor("typedef struct pillion_io { uint32_t size; uint32_t ms; int32_t (*flush)(void *data); } pillion_io;\n", ""),
			[]string{"the structure pillion_io was removed: not allowed, programs that use it do not compile any more"}},
		{"constant changed", minor("PILLION_LIMIT 8u", "PILLION_LIMIT 9u"),
			[]string{"the constant PILLION_LIMIT went from 8 to 9: not allowed, compiled callers go on using the old number"}},
		{"constant removed", minor("#define PILLION_LIMIT 8u\n", ""),
			[]string{"the constant PILLION_LIMIT was removed: not allowed, programs that use it do not compile any more"}},
		{"enumerator changed", minor("PILLION_E_ARG = -1", "PILLION_E_ARG = -2"),
			[]string{"the constant PILLION_E_ARG went from -1 to -2: not allowed, compiled callers go on using the old number"}},
		{"enumerator added", minor("PILLION_E_ARG = -1", "PILLION_E_ARG = -1, PILLION_E_SIZE = -2"),
			[]string{"the constant PILLION_E_SIZE is new: allowed, it is an addition of version 1.1"}},
		{"function added", minor("int32_t pillion_flush", "int32_t pillion_more(void);\nint32_t pillion_flush"),
			[]string{"the function pillion_more is new: allowed, it is an addition of version 1.1"}},
		{"function added without a version", edit("int32_t pillion_flush", "int32_t pillion_more(void);\nint32_t pillion_flush"),
			[]string{"the function pillion_more is new: not allowed, callers could not tell by the version that it is there: raise PILLION_ABI_MINOR to 1"}},
		{"callback changed", minor("(*pillion_log_fn)(void *data, int32_t level)", "(*pillion_log_fn)(void *data, int64_t level)"),
			[]string{"the parameter level of pillion_log_fn went from int32_t to int64_t: not allowed, callers pass the old type"}},
		{"major version", edit("MAJOR 1", "MAJOR 2", "int32_t pillion_flush(uint64_t queue);\n", ""),
			[]string{"the major version went from 1 to 2: allowed, callers of the old one refuse the library"}},
		{"version back", edit("MAJOR 1", "MAJOR 0"),
			[]string{
				"the version went back from 1.0 to 0.0: not allowed, new callers take this library for an older one",
				"the constant PILLION_ABI_MAJOR went from 1 to 0: not allowed, compiled callers go on using the old number",
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var says []string
			for _, change := range Compare(record(t, first), edited(t, c.edits...)) {
				says = append(says, change.String())
			}
			assert.Equal(t, c.says, says)
		})
	}
}

func TestCheck_NamesTheVersionThatIsBroken(t *testing.T) {
	one := record(t, first)
	two := edited(t, minor("int32_t pillion_flush", "int32_t pillion_more(void);\nint32_t pillion_flush")...)
	assert.Empty(t, judge(two, []*Record{one, two}))
	assert.Equal(t, []string{"version 1.1 has no record yet: go generate ./capi/abi makes it"}, judge(two, []*Record{one}))

	broken := edited(t, minor("int32_t pillion_init(const pillion_config *config);\n", "")...)
	assert.Equal(t, []string{
		"since version 1.0 the function pillion_init was removed: not allowed, a program linked with it does not start any more",
		"since version 1.1 the function pillion_init was removed: not allowed, a program linked with it does not start any more",
		"since version 1.1 the function pillion_more was removed: not allowed, a program linked with it does not start any more",
	}, judge(broken, []*Record{one, two}))
}

func TestParse_RefusesWhatSomeFFICannotCall(t *testing.T) {
	for name, c := range map[string]struct{ line, says string }{
		"int":        {"int pillion_bad(void);", "fixed width"},
		"long":       {"int32_t pillion_bad(long n);", "fixed width"},
		"enum":       {"int32_t pillion_bad(enum pillion_status s);", "fixed width"},
		"by value":   {"int32_t pillion_bad(pillion_pair p);", "structure by value"},
		"varargs":    {"int32_t pillion_bad(int32_t n, ...);", "variable number"},
		"bit-field":  {"typedef struct pillion_bad { uint32_t a:1; } pillion_bad;", "bit-field"},
		"union":      {"typedef union pillion_bad { uint32_t a; uint64_t b; } pillion_bad;", "union"},
		"float":      {"typedef struct pillion_bad { double a; } pillion_bad;", "fixed width"},
		"a variable": {"extern int32_t pillion_bad;", "neither a function nor a type"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pillion.h")
			require.NoError(t, os.WriteFile(path, []byte(first+c.line+"\n"), 0o644))
			_, err := Parse(path)
			assert.ErrorContains(t, err, c.says)
			assert.ErrorContains(t, err, "pillion_bad")
		})
	}
}

func TestSymbolMap_GivesEachFunctionTheVersionItCameWith(t *testing.T) {
	two := edited(t, minor("int32_t pillion_flush", "int32_t pillion_more(void);\nint32_t pillion_flush")...)
	text := SymbolMap([]*Record{record(t, first), two})
	old, new, ok := strings.Cut(text, "PILLION_1.1 {")
	require.True(t, ok)
	assert.Contains(t, old, "PILLION_1.0 {")
	assert.Contains(t, old, "pillion_flush;")
	assert.NotContains(t, old, "pillion_more")
	assert.Equal(t, "\n    global:\n        pillion_more;\n} PILLION_1.0;\n", new)
}
