// The C callers of the three drives, run as servers.

package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// startC starts httpd_call, httpd_serve or httpd_queue. At the end of the test
// it stops, and must hold nothing.
func startC(t *testing.T, drive string) *server {
	program := cProgram(t, "httpd_"+drive, "http", "server", "pieces")
	dir := tempDir(t, "httpd_"+drive)
	logName := filepath.Join(dir, "stderr")
	logFile, err := os.Create(logName)
	require.NoError(t, err)
	defer logFile.Close()

	cmd := exec.Command(program, library(t, "one"))
	cmd.Env = slices.Concat(os.Environ(), sanitizerEnv, formEnv(t), raceEnv(t))
	cmd.Stderr = logFile
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewReader(stdout)

	readLog := func() string {
		b, _ := os.ReadFile(logName)
		return string(b)
	}
	port, err := out.ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(port), "PORT ")
	if err != nil || !ok {
		cmd.Process.Kill()
		cmd.Wait()
		require.FailNow(t, "no port from "+program, readLog())
	}
	addr := "127.0.0.1:" + port
	s := newServer(drive, "http://"+addr, dialTCP(addr), readLog)

	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(patience, func() { cmd.Process.Signal(syscall.SIGABRT) }) // with Go's stacks
		var rest bytes.Buffer
		rest.ReadFrom(out)
		err := cmd.Wait()
		assert.True(t, kill.Stop(), "%s did not end by itself", program)
		log := readLog()
		assert.NoError(t, err, tail(log))
		assertSane(t, log)
		text, ok := strings.CutPrefix(strings.TrimSpace(rest.String()), "STATS ")
		if assert.True(t, ok, "no STATS: %q", rest.String()) {
			var counts behave.Counts
			require.NoError(t, json.Unmarshal([]byte(text), &counts))
			assertNothingLeft(t, counts)
		}
	})
	return s
}

// assertNothingLeft asserts that a library that has been stopped holds nothing.
func assertNothingLeft(t *testing.T, c behave.Counts) {
	t.Helper()
	c.WakesIn, c.WakesOut, c.Completed = 0, 0, 0
	assert.Equal(t, behave.Counts{}, c, "the library still holds something")
}

// insane is what sanitizers say, the race detector and the validator, and Go when
// it gives up. UBSan gives a line and a column, unlike a panic of a handler.
var (
	insane = regexp.MustCompile(`Sanitizer|DATA RACE|:\d+: runtime error: |validate: the `)
	gaveUp = regexp.MustCompile(`fatal error: `)
)

// assertSane asserts that neither a sanitizer nor the validator of Apps has found
// anything, and that Go has not given up.
func assertSane(t *testing.T, log string) {
	t.Helper()
	assertNot(t, insane, log)
	assertNot(t, gaveUp, log)
}

func assertNot(t *testing.T, said *regexp.Regexp, log string) {
	t.Helper()
	if at := said.FindStringIndex(log); at != nil {
		assert.Fail(t, "in the log: "+log[at[0]:at[1]], log[max(0, at[0]-200):min(len(log), at[0]+4000)])
	}
}

// tempDir is a directory below workDir.
func tempDir(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp(workDir, name+"-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}
