// Package codes compares the messages that Pillion logs with docs/codes.md:
// each has a code, and each code its entry.
package codes

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// message is what one place of the source logs.
type message struct {
	code  string
	place string // file:line
	// words are what stands between the values that are put in.
	words []string
}

// source is what a scan of files has found.
type source struct {
	messages []message
	uncoded  []string // places of calls that log without a code
}

var code = regexp.MustCompile(`PILLION-\d{4}`)

// rooms are the directories whose messages have a code, by its first digit.
var rooms = map[byte][]string{
	'1': {"host", "host/middleware"},
	'2': {"capi"},
	'3': {"include"},
	'4': {"examples/nginx"},
	'5': {"examples/apache"},
}

// scanDir scans all that is built into what an operator runs.
func scanDir(t *testing.T, dir string) (found source) {
	t.Helper()
	files := 0
	for _, pattern := range []string{"*.go", "*.c", "*.h"} {
		paths, err := filepath.Glob(filepath.Join("../..", dir, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			files++
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			scan := scanC
			if strings.HasSuffix(path, ".go") {
				scan = scanGo
			}
			one := scan(t, strings.TrimPrefix(path, "../../"), string(text))
			found.messages = append(found.messages, one.messages...)
			found.uncoded = append(found.uncoded, one.uncoded...)
		}
	}
	require.NotZero(t, files, dir)
	return found
}

func TestCodes_EveryMessageHasOneAndOnlyOne(t *testing.T) {
	page := readPage(t)
	used := map[string]string{}
	for digit, dirs := range rooms {
		for _, dir := range dirs {
			found := scanDir(t, dir)
			assert.NotEmpty(t, found.messages, dir)
			assert.Empty(t, found.uncoded, "these log without a code: see docs/codes.md")
			for _, m := range found.messages {
				if assert.Empty(t, used[m.code], "%s: %s is another message's already", m.place, m.code) {
					used[m.code] = m.place
				}
				assert.Equal(t, string(digit), m.code[8:9], "%s: %s is not of this room's codes", m.place, m.code)
				e, ok := page[m.code]
				if !assert.True(t, ok, "%s: %s is not in docs/codes.md", m.place, m.code) {
					continue
				}
				rest := e.message
				for _, words := range m.words {
					_, after, found := strings.Cut(rest, words)
					assert.True(t, found, "%s: %s logs %q, docs/codes.md has %q", m.place, m.code, words, e.message)
					rest = after
				}
			}
		}
	}
	for name := range page {
		assert.NotEmpty(t, used[name], "%s is in docs/codes.md and nowhere else", name)
	}
}

// What a process logs has its code where it is logged: packages below host have
// errors, and leave it to host to log them.
func TestCodes_InternalPackagesLogNothing(t *testing.T) {
	found := scanDir(t, "host/internal/*")
	assert.Empty(t, found.uncoded)
	assert.Empty(t, found.messages)
}

// entry is one of docs/codes.md.
type entry struct{ message, means, do string }

var heading = regexp.MustCompile(`(?m)^### (.*)$`)

func readPage(t *testing.T) map[string]entry {
	t.Helper()
	b, err := os.ReadFile("../../docs/codes.md")
	require.NoError(t, err)
	page := map[string]entry{}
	var order []string
	text := string(b)
	at := heading.FindAllStringSubmatchIndex(text, -1)
	require.NotEmpty(t, at)
	for i, h := range at {
		name := text[h[2]:h[3]]
		require.Regexp(t, "^"+code.String()+"$", name)
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		body, _, _ := strings.Cut(text[h[1]:end], "\n## ")
		parts := strings.Split(strings.TrimSpace(body), "\n\n")
		require.Len(t, parts, 3, "%s: the message, what it means, what to do", name)
		e := entry{strings.Trim(parts[0], "`"), parts[1], strings.TrimPrefix(parts[2], "*Do:* ")}
		assert.Equal(t, "`"+e.message+"`", parts[0], name)
		assert.Greater(t, len(e.means), 15, name)
		assert.NotEqual(t, e.do, parts[2], "%s: what to do begins with *Do:*", name)
		assert.NotEmpty(t, e.do, name)
		assert.NotContains(t, page, name)
		page[name] = e
		order = append(order, name)
	}
	assert.True(t, slices.IsSorted(order), "docs/codes.md is in the order of the codes")
	return page
}
