// docs/conformance.md is written from the tables of the suite.

package test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/conform"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew")

const conformancePage = "../docs/conformance.md"

const conformanceIntro = `# Conformance

What a handler can rely on in any host is what ` + "`net/http`" + `'s own server gives it. The suite in [test/conform](../test/conform) holds %d rows: handlers with the requests they get, as bytes on a connection. Each row runs against ` + "`net/http`" + ` and against the gateways, over HTTP/1.1 and, where it is not about HTTP/1 itself (%d rows), over HTTP/2. Compared are status, header, body, trailers, informational responses, what becomes of the connection, and all that the handler saw: its request, what its calls returned, the state of its context.

    go test ./test -run TestConform

In HTTP/2 a handler finds either what ` + "`net/http`" + ` does there or what it does in HTTP/1.1, where its two servers differ in trifles: the size of a buffer, an error without a name.

This page is written from the tables of the suite by ` + "`go test ./test -run TestConform_Page -update`" + `; a test fails if it is stale, and another one when a difference is there no more.

## Known differences

| where | what is otherwise | why | rows |
|---|---|---|---|
`

// conformance is what the page should be.
func conformance() string {
	rows := conform.Rows()
	two := 0
	for _, row := range rows {
		if row.OneOnly == "" {
			two++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, conformanceIntro, len(rows), two)
	for _, d := range differences {
		var names []string
		for _, row := range rows {
			if slices.ContainsFunc(d.rows, func(pattern string) bool { return matches(pattern, row.Name) }) {
				names = append(names, row.Name)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.Join(d.hosts, ", "), cell(d.what), cell(d.why), cell(strings.Join(names, "; ")))
	}
	b.WriteString("\n## What is not compared\n\n| | because |\n|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| %s | %s |\n", cell(r.what), cell(r.why))
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func TestConform_PageIsThatOfTheTables(t *testing.T) {
	want := conformance()
	if *update {
		require.NoError(t, os.WriteFile(conformancePage, []byte(want), 0o644))
	}
	got, err := os.ReadFile(conformancePage)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "write it anew: go test ./test -run TestConform_Page -update")
}
