// What each code was given to, once and for all: record.txt, to which lines are
// only added. A code whose words became better ones has a line for these, too;
// one whose message is gone ends in a line "retired", and stays unused.

package codes

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "add the codes that docs/codes.md has anew to record.txt")

const (
	recordFile = "record.txt"
	retired    = "retired"
)

// given is a line of the record.
type given struct{ code, message string }

// readRecord reads lines of a code, a space and its message.
func readRecord(text string) (record []given, err error) {
	for line := range strings.Lines(text) {
		name, message, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || message == "" || code.FindString(name) != name {
			return nil, fmt.Errorf("%s: no code and message: %q", recordFile, line)
		}
		record = append(record, given{name, message})
	}
	return record, nil
}

// compare says what of messages, by their codes, goes against the record, and
// which codes it lacks.
func compare(record []given, messages map[string]string) (wrong, lacking []string) {
	last := map[string]string{}
	for _, g := range record {
		if last[g.code] == retired {
			wrong = append(wrong, g.code+" is given away again")
		}
		last[g.code] = g.message
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		message, there := messages[name]
		switch {
		case !there && last[name] != retired:
			wrong = append(wrong, fmt.Sprintf("%s is gone, was: %s", name, last[name]))
		case there && last[name] != message:
			wrong = append(wrong, fmt.Sprintf("%s is now: %s, was: %s", name, message, last[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		if last[name] == "" {
			lacking = append(lacking, name)
		}
	}
	return wrong, lacking
}

func TestCodes_KeepTheirMeaningForEver(t *testing.T) {
	messages := map[string]string{}
	for name, e := range readPage(t) {
		messages[name] = e.message
	}
	b, err := os.ReadFile(recordFile)
	require.NoError(t, err)
	record, err := readRecord(string(b))
	require.NoError(t, err)
	wrong, lacking := compare(record, messages)
	assert.Empty(t, wrong, "a code keeps its meaning: for better words of the same message, or for one that is gone, add a line at the end of %s", recordFile)
	if *update {
		for _, name := range lacking {
			b = fmt.Appendf(b, "%s %s\n", name, messages[name])
		}
		require.NoError(t, os.WriteFile(recordFile, b, 0o644))
		return
	}
	assert.Empty(t, lacking, "new codes: go test ./test/codes -update")
}

func TestCompare(t *testing.T) {
	const record = "PILLION-1001 one\nPILLION-1002 two\nPILLION-1003 three\nPILLION-1003 retired\n"
	kept := map[string]string{"PILLION-1001": "one", "PILLION-1002": "two"}
	with := func(changed map[string]string, gone ...string) map[string]string {
		all := maps.Clone(kept)
		maps.Copy(all, changed)
		for _, name := range gone {
			delete(all, name)
		}
		return all
	}
	for _, c := range []struct {
		name, more     string
		messages       map[string]string
		wrong, lacking []string
	}{
		{"nothing_changes", "", kept, nil, nil},
		{"a_new_code", "", with(map[string]string{"PILLION-1004": "four"}), nil, []string{"PILLION-1004"}},
		{"exchanged", "", with(map[string]string{"PILLION-1001": "two", "PILLION-1002": "one"}),
			[]string{"PILLION-1001 is now: two, was: one", "PILLION-1002 is now: one, was: two"}, nil},
		{"another_number", "", with(map[string]string{"PILLION-1004": "two"}, "PILLION-1002"),
			[]string{"PILLION-1002 is gone, was: two"}, []string{"PILLION-1004"}},
		{"better_words", "PILLION-1002 the second\n", with(map[string]string{"PILLION-1002": "the second"}), nil, nil},
		{"better_words_that_nobody_recorded", "", with(map[string]string{"PILLION-1002": "the second"}), []string{"PILLION-1002 is now: the second, was: two"}, nil},
		{"gone", "PILLION-1002 retired\n", with(nil, "PILLION-1002"), nil, nil},
		{"used_after_it_was_gone", "", with(map[string]string{"PILLION-1003": "three"}), []string{"PILLION-1003 is now: three, was: retired"}, nil},
		{"given_away_again", "PILLION-1003 another\n", with(map[string]string{"PILLION-1003": "another"}), []string{"PILLION-1003 is given away again"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, err := readRecord(record + c.more)
			require.NoError(t, err)
			wrong, lacking := compare(lines, c.messages)
			assert.Equal(t, c.wrong, wrong)
			assert.Equal(t, c.lacking, lacking)
		})
	}
	_, err := readRecord("PILLION-1001 one\nPILLION-12 two\n")
	assert.Error(t, err)
}
