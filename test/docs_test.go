// The documentation: what it leads to is there.

package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	docFence   = regexp.MustCompile("(?ms)^```.*?^```")
	notInAnUrl = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// pages are README.md and docs/*.md, without what is shown as code.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	all := map[string]string{}
	for _, path := range append(paths, "../README.md") {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		all[path] = docFence.ReplaceAllString(string(b), "")
	}
	return all
}

func TestDocs_LinksLeadSomewhere(t *testing.T) {
	anchors := map[string]bool{}
	for path, text := range pages(t) {
		for _, h := range docHeading.FindAllStringSubmatch(text, -1) {
			name := strings.ReplaceAll(notInAnUrl.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
			anchors[path+"#"+name] = true
		}
	}
	for path, text := range pages(t) {
		for _, l := range docLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			to, anchor, _ := strings.Cut(l[1], "#")
			file := path
			if to != "" {
				file = filepath.Join(filepath.Dir(path), to)
			}
			_, err := os.Stat(file)
			assert.NoError(t, err, "%s links %s", path, l[1])
			if anchor != "" {
				assert.True(t, anchors[file+"#"+anchor], "%s links %s", path, l[1])
			}
		}
	}
}

// What security.md claims it names the test of.
func TestDocs_TestsThatSecurityNamesAreThere(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", "../host/*_test.go", "../host/middleware/*_test.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			code.Write(b)
		}
	}
	b, err := os.ReadFile("../docs/security.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(b), -1)
	require.NotEmpty(t, named)
	for _, n := range named {
		assert.True(t, strings.Contains(code.String(), "func "+n[1]+"("), "docs/security.md names %s", n[1])
	}
}
