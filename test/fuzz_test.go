// Callers that keep no rule: every function of the ABI in any order with any
// arguments.

package test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fuzzProgram(t *testing.T) string {
	return cProgram(t, "fuzz", "fuzz_make", "fuzz_calls", "fuzz_queue", "fuzz_serve")
}

// runFuzz returns what the program says, line by line, and how it ended.
func runFuzz(t *testing.T, args ...string) ([]string, error) {
	cmd := exec.Command(fuzzProgram(t), append([]string{library(t, "one")}, args...)...)
	cmd.Env = append(os.Environ(), sanitizerEnv...)
	if sanitizing() {
		cmd.Env = append(cmd.Env, "ABI_SANITIZED=1")
	}
	out, err := cmd.CombinedOutput()
	assertSane(t, string(out))
	return strings.Split(strings.TrimSpace(string(out)), "\n"), err
}

// TestFuzz_AnyCallsInAnyOrder runs as many sequences as PILLION_FUZZ says, or
// 20,000; from the seed PILLION_SEED, if there is one.
func TestFuzz_AnyCallsInAnyOrder(t *testing.T) {
	args := []string{"-sequences", "20000"}
	if n := os.Getenv("PILLION_FUZZ"); n != "" {
		args[1] = n
	}
	if seed := os.Getenv("PILLION_SEED"); seed != "" {
		args = append(args, "-seed", seed)
	}
	said, err := runFuzz(t, args...)
	require.NoError(t, err, strings.Join(said, "\n"))
	t.Log("\n" + strings.Join(said, "\n"))

	// Every function was called, and said yes and no.
	answers := map[string][]string{}
	for _, line := range said {
		if f := strings.Fields(line); strings.HasPrefix(line, "pillion_") {
			for _, word := range f[2:] {
				if status, ok := strings.CutSuffix(word, ":"); ok {
					answers[f[0]] = append(answers[f[0]], status)
				}
			}
		}
	}
	all := map[string]bool{}
	for _, name := range declared(t) {
		assert.Contains(t, answers[name], "0", name)
		switch name {
		case "pillion_abi", "pillion_version", "pillion_strerror":
		default:
			assert.Greater(t, len(answers[name]), 1, "%s was never refused", name)
		}
		for _, status := range answers[name] {
			all[status] = true
		}
	}
	for _, status := range []string{"-1", "-2", "-3", "-4", "-6", "-7", "-8", "-9", "-13", "-14"} {
		assert.True(t, all[status], "no function ever answered %s", status)
	}
}

// TestFuzz_OneSequenceCanBeRunAgain runs one as a failure's report says.
func TestFuzz_OneSequenceCanBeRunAgain(t *testing.T) {
	for _, number := range []string{"0", "10000", "19999"} {
		said, err := runFuzz(t, "-seed", "2", "-sequences", "20000", "-only", number)
		assert.NoError(t, err, strings.Join(said, "\n"))
		assert.Equal(t, "sequence "+number+" passed", said[len(said)-1])
	}
}

// TestFuzz_WatchdogTellsWhatThreadsAreAt has a sequence that never ends.
func TestFuzz_WatchdogTellsWhatThreadsAreAt(t *testing.T) {
	said, err := runFuzz(t, "-sequences", "100", "-stall", "50", "-threads", "2")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 3, exit.ExitCode(), strings.Join(said, "\n"))
	text := strings.Join(said, "\n")
	assert.Contains(t, text, "a thread is stuck")
	assert.Contains(t, text, "sequence 50: stalling for ")
	assert.Equal(t, 2, strings.Count(text, "fuzz: thread "), text)
}
