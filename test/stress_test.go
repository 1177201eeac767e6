// The drives under everything their contract allows: in random order, and
// between threads.

package test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQueue_AnyOrderOfCallsKeepsTheContract(t *testing.T) {
	program := cProgram(t, "stress")
	for seed := 1; seed <= 4; seed++ {
		cmd := exec.Command(program, library(t, "one"), fmt.Sprint(seed), "100")
		cmd.Env = append(os.Environ(), sanitizerEnv...)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assertSane(t, string(out))
	}
}

func races(t *testing.T, what string) {
	cmd := exec.Command(cProgram(t, "races"), library(t, "one"), what)
	cmd.Env = append(os.Environ(), sanitizerEnv...)
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
	assertSane(t, string(out))
}

func TestQueue_FreedWhileHandlersRunLeavesNothing(t *testing.T) { races(t, "free") }

func TestQueue_HandlersThatBlockHoldUpNoOthers(t *testing.T) { races(t, "blocked") }

func TestLog_LinesOfSeveralThreadsDoNotMix(t *testing.T) { races(t, "log") }

func TestServe_ReadsNoMoreThanTheHandler(t *testing.T) { races(t, "read") }
