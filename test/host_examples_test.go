// The servers of examples/c, hosting the test library.

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exampleServer compiles a server of examples/c.
func exampleServer(t *testing.T, name string) string {
	cc := compiler(t)
	return builtOnce("example "+name).get(t, func() (string, []byte, error) {
		source := "../examples/c/" + name + ".c"
		text, err := os.ReadFile(source)
		if err != nil {
			return "", nil, err
		}
		path := filepath.Join(workDir, "example-"+name)
		args := []string{"-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I../include", "-o", path, source}
		if sanitizing() {
			args = append(args, strings.Fields(sanitizers)...)
		}
		out, err := exec.Command(cc, append(args, libraries(string(text))...)...).CombinedOutput()
		return path, out, err
	})
}

// libraries are the -l flags of the recipe that a source begins with.
func libraries(source string) (flags []string) {
	for line := range strings.Lines(source) {
		if strings.HasPrefix(line, " *     cc ") {
			for _, word := range strings.Fields(line) {
				if strings.HasPrefix(word, "-l") {
					flags = append(flags, word)
				}
			}
		}
	}
	return flags
}

// startExample starts a server of examples/c with the routes that all hosts
// have.
func startExample(t *testing.T, name string) *server {
	program := exampleServer(t, name)
	logName := filepath.Join(tempDir(t, name), "stderr")
	logFile, err := os.Create(logName)
	require.NoError(t, err)
	defer logFile.Close()
	port := freePort(t)
	cmd := exec.Command(program, library(t, "one"), fmt.Sprint(port), "/other:other", "/mounted=behave", "/:behave")
	cmd.Env = slices.Concat(os.Environ(), sanitizerEnv, formEnv(t))
	cmd.Stderr = logFile
	require.NoError(t, cmd.Start())
	var ended error
	exited := make(chan struct{})
	go func() { ended = cmd.Wait(); close(exited) }()

	readLog := func() string {
		b, _ := os.ReadFile(logName)
		return string(b)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s := newServer(name, "http://"+addr, dialTCP(addr), readLog)
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
			assert.NoError(t, ended, tail(readLog()))
		case <-time.After(patience):
			cmd.Process.Signal(syscall.SIGABRT) // with Go's stacks
			<-exited
			assert.Fail(t, name+" did not end by itself", tail(readLog()))
		}
		assertSane(t, readLog())
	})
	awaitListening(t, name, addr, exited, readLog)
	return s
}
