// The README's programs, built and run with the README's own commands.

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readme is the README, whose code blocks and commands (indented lines) are
// looked up.
type readme string

func openReadme(t *testing.T) (readme, string) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	return readme(text), root
}

// block returns the code block of a language that has a string in it.
func (r readme) block(t *testing.T, language, has string) string {
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(r), -1) {
		if strings.Contains(m[1], has) {
			return m[1]
		}
	}
	require.FailNow(t, "not in the README: "+language+" with "+has)
	return ""
}

// command returns the one command of the README that starts with prefix.
func (r readme) command(t *testing.T, prefix string) string {
	found := regexp.MustCompile(`(?m)^    (`+regexp.QuoteMeta(prefix)+`.*?)( +#.*)?$`).FindAllStringSubmatch(string(r), -1)
	require.Len(t, found, 1, prefix)
	return found[0][1]
}

func shell(t *testing.T, dir, command string) string {
	c := exec.Command("bash", "-ec", command)
	c.Dir = dir
	out, err := c.Output()
	if e, ok := err.(*exec.ExitError); ok {
		require.NoError(t, err, "%s\n%s%s", command, out, e.Stderr)
	}
	require.NoError(t, err, command)
	return string(out)
}

func TestReadme_GoProgram(t *testing.T) { runReadmeProgram(t, "host.HandleFunc(") }

func TestReadme_AppProgram(t *testing.T) { runReadmeProgram(t, "host.HandleApp(") }

// runReadmeProgram builds the Go program that has a string in it, in both ways,
// on its own with cgo and without.
func runReadmeProgram(t *testing.T, has string) {
	text, root := openReadme(t)
	dir := filepath.Join(t.TempDir(), "hello")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Symlink(root, filepath.Join(dir, "../pillion")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(text.block(t, "go", has)), 0o644))
	shell(t, dir, text.command(t, "go mod init"))
	shell(t, dir, text.command(t, "go mod edit"))
	shell(t, dir, text.command(t, "go build -buildmode=c-shared"))
	assert.FileExists(t, filepath.Join(dir, "hello.so"))

	for _, cgo := range []string{"1", "0"} {
		runAlone(t, dir, "CGO_ENABLED="+cgo+" go build -o alone .")
	}
}

// runAlone builds a program that runs on its own, and asks it for a greeting.
func runAlone(t *testing.T, dir, build string) {
	shell(t, dir, build)
	alone := exec.Command(filepath.Join(dir, "alone"), "-addr", "127.0.0.1:0")
	out, err := alone.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, alone.Start())
	defer alone.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	answer, err := http.Get(regexp.MustCompile(`http://\S+`).FindString(line) + "gopher")
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	assert.Equal(t, "Hello, gopher!\n", string(body))
	require.NoError(t, alone.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, alone.Wait())
}

func TestApp_BuildsWithoutCgo(t *testing.T) {
	shell(t, ".", "CGO_ENABLED=0 go build -o '"+filepath.Join(t.TempDir(), "app")+"' .")
}

func TestReadme_CProgram(t *testing.T) {
	for _, tool := range []string{"bash", "cc", "make", "pkg-config"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI")+os.Getenv("PILLION_CI") == "" {
			t.Skip(err)
		}
	}
	text, root := openReadme(t)
	tree := t.TempDir() // build/ of its own beside the same include/
	require.NoError(t, os.Symlink(filepath.Join(root, "include"), filepath.Join(tree, "include")))
	shell(t, root, "make --no-print-directory library BUILD="+filepath.Join(tree, "build"))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "hello.c"), []byte(text.block(t, "c", "int main")), 0o644))
	out := shell(t, tree, strings.Join([]string{
		text.command(t, "export PKG_CONFIG_PATH"),
		strings.Replace(text.command(t, "cc hello.c"), "cc ", "cc -Wall -Wextra -Werror ", 1),
		text.command(t, "LD_LIBRARY_PATH"),
	}, "\n"))
	assert.Equal(t, "200\nHello, C!\n", out)
}
