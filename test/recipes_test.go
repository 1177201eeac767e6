// The C examples, built and run as their first lines say.

package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recipeOfC is the commands of a C file's first comment: its indented lines.
func recipeOfC(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	comment, _, _ := strings.Cut(string(text), "*/")
	var commands []string
	for line := range strings.Lines(comment) {
		if command, ok := strings.CutPrefix(line, " *     "); ok {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	require.NotEmpty(t, commands, "%s has no recipe", path)
	return commands
}

// tree is a copy of the source tree in which recipes may build. The nginx
// module is there already: it takes long, and none of them is about it.
func tree(t *testing.T) string {
	return builtOnce("tree").get(t, func() (string, []byte, error) {
		dir := tempDir(t, "tree")
		out, err := exec.Command("cp", "-r", "../.ci", "../Makefile", "../README.md", "../go.mod", "../go.sum",
			"../capi", "../examples", "../host", "../include", dir).CombinedOutput()
		if err != nil {
			return dir, out, err
		}
		if err := os.Mkdir(filepath.Join(dir, "build"), 0o755); err != nil {
			return dir, nil, err
		}
		_, module := nginxBuild(t)
		copyFile(t, module, filepath.Join(dir, "build", filepath.Base(module)))
		return dir, nil, nil
	})
}

func TestRecipes_OfProgramsDoWhatTheySay(t *testing.T) {
	compiler(t)
	for name, says := range map[string]string{
		"link":    "200\n", // and, statically linked, again
		"load":    "ABI 1.",
		"archive": `"sha256"`,
	} {
		t.Run(name, func(t *testing.T) {
			commands := recipeOfC(t, "../examples/c/"+name+".c")
			out := command(t, tree(t), nil, "bash", "-ec", strings.Join(commands, "\n"))
			assert.Contains(t, out, says)
			switch name {
			case "link":
				assert.Equal(t, 2, strings.Count(out, "Hello, you!\n"), out)
			case "load":
				assert.Contains(t, out, "demo\nhello\n")
			}
		})
	}
}

func TestRecipes_OfServersHostTheDemo(t *testing.T) {
	compiler(t)
	for _, name := range []string{"microhttpd", "libevent", "small_call", "small_serve", "small_queue"} {
		t.Run(name, func(t *testing.T) {
			commands := recipeOfC(t, "../examples/c/"+name+".c")
			last := len(commands) - 1
			command(t, tree(t), nil, "bash", "-ec", strings.Join(commands[:last], "\n"))

			// As it stands there, but for the port.
			require.Contains(t, commands[last], " 8080 ")
			base := fmt.Sprintf("http://127.0.0.1:%d/", freePort(t))
			port := strings.TrimSuffix(base[strings.LastIndex(base, ":")+1:], "/")
			cmd := exec.Command("bash", "-ec", "exec "+strings.Replace(commands[last], " 8080 ", " "+port+" ", 1))
			cmd.Dir = tree(t)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			defer func() {
				cmd.Process.Signal(syscall.SIGINT)
				kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
				err := cmd.Wait()
				assert.True(t, kill.Stop(), "it did not end")
				if !strings.HasPrefix(name, "small") { // those leave it to the signal
					assert.NoError(t, err)
				}
			}()
			line, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, base+"\n", line)

			get := func(path string) string {
				res, err := http.Get(base + path)
				require.NoError(t, err)
				defer res.Body.Close()
				b, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				assert.Equal(t, 200, res.StatusCode)
				return string(b)
			}
			assert.Contains(t, get(""), "<html")
			assert.Len(t, get("download"), 1<<20)
			switch name {
			case "microhttpd", "libevent":
				assert.Equal(t, "Hello, you!\n", get("hello?name=you"))
				fallthrough
			case "small_serve":
				res, err := http.Post(base+"upload", "text/plain", strings.NewReader(strings.Repeat("bytes", 100000)))
				require.NoError(t, err)
				b, err := io.ReadAll(res.Body)
				res.Body.Close()
				require.NoError(t, err)
				assert.Contains(t, string(b), hash(strings.Repeat("bytes", 100000)))

				// A name of a header field has no case.
				c, err := net.Dial("tcp", "127.0.0.1:"+port)
				require.NoError(t, err)
				defer c.Close()
				io.WriteString(c, "POST /upload HTTP/1.0\r\nX-Content-Length: 1\r\ncontent-LENGTH:5\r\n\r\nbytes")
				res, err = http.ReadResponse(bufio.NewReader(c), nil)
				require.NoError(t, err)
				b, err = io.ReadAll(res.Body)
				require.NoError(t, err)
				assert.Contains(t, string(b), hash("bytes"))
			}
			http.DefaultClient.CloseIdleConnections()
		})
	}
}

func TestRecipes_SmallServersSayWhyTheyDoNotStart(t *testing.T) {
	compiler(t)
	commands := recipeOfC(t, "../examples/c/small_call.c")
	last := len(commands) - 1
	command(t, tree(t), nil, "bash", "-ec", strings.Join(commands[:last], "\n"))
	program := strings.Fields(commands[last])[0]
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"no_arguments", nil, "usage: " + program + " PORT APPLICATION\n"},
		{"no_port", []string{"http", "demo"}, "usage: " + program + " PORT APPLICATION\n"},
		{"unknown_application", []string{port, "demon"}, program + ": demon: no application has that name\n"},
		{"port_in_use", []string{port, "demo"}, program + ": port " + port + ": Address already in use\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, c.args...)
			cmd.Dir = tree(t)
			out, err := cmd.CombinedOutput()
			assert.Error(t, err)
			lines := strings.SplitAfter(string(out), "\n") // those before are the application's
			assert.Equal(t, c.says, lines[max(0, len(lines)-2)])
		})
	}
}

// The code that docs/c.md shows is that of the examples.
func TestDocs_ShowTheSmallServersAsTheyAre(t *testing.T) {
	text, err := os.ReadFile("../docs/c.md")
	require.NoError(t, err)
	for _, name := range []string{"small_call", "small_serve", "small_queue"} {
		source, err := os.ReadFile("../examples/c/" + name + ".c")
		require.NoError(t, err)
		_, code, ok := strings.Cut(string(source), " */\n\n")
		require.True(t, ok)
		assert.Contains(t, string(text), "```c\n"+code+"```\n", name)
		assert.Contains(t, string(text), fmt.Sprintf("%d lines", strings.Count(code, "\n")), name)
	}
}
