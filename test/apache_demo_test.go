// The demo of make run SERVER=apache.

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestApache_RunScriptServesTheDemo(t *testing.T) {
	_, module, _ := apacheBuild(t)
	dir := tempDir(t, "demo")
	for _, closed := range []bool{false, true} {
		build := filepath.Join(dir, fmt.Sprint("build-", closed))
		require.NoError(t, os.Mkdir(build, 0o755))
		copyFile(t, module, filepath.Join(build, "mod_pillion.so"))
		out, err := exec.Command("go", "build", "-buildvcs=false", "-buildmode=c-shared", "-o", filepath.Join(build, "libpillion.so"), "../examples/app").CombinedOutput()
		require.NoError(t, err, "%s", out)
		if closed { // as below /root, which the children of a root's httpd cannot enter
			require.NoError(t, os.Chmod(build, 0o700))
		}

		port := freePort(t)
		addr := "127.0.0.1:" + strconv.Itoa(port)
		log, err := os.Create(filepath.Join(dir, fmt.Sprint("log-", closed)))
		require.NoError(t, err)
		defer log.Close()
		cmd := exec.Command("../examples/apache/run.sh", build)
		cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(port), "TMPDIR="+dir)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Start())
		read := func() string { b, _ := os.ReadFile(log.Name()); return string(b) }
		s := newServer("demo", "http://"+addr, dialTCP(addr), read)
		eventually(t, "the demo answers", func() bool {
			a, err := s.try("GET", "/hello?name=you", nil)
			return err == nil && a.body == "Hello, you!\n"
		})
		assert.Contains(t, read(), "http://"+addr+"/")
		assert.Equal(t, 200, s.get(t, "/").StatusCode)
		assert.Equal(t, 200, s.get(t, "/demo/api/notes").StatusCode)
		assert.Equal(t, "image/svg+xml", s.whole(t, "/static/icon.svg").Header.Get("Content-Type"))
		assert.Equal(t, 401, s.get(t, "/private/").StatusCode)
		environ := s.whole(t, "/private/debug/environ", "Authorization", "Basic Z29waGVyOnNlY3JldA==").body
		assert.Regexp(t, `REMOTE_USER +gopher`, environ)
		assert.Regexp(t, `REALM +private`, environ)
		assert.NotContains(t, environ, "Authorization")
		s.client.CloseIdleConnections()

		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, cmd.Wait(), read())
		assert.Contains(t, read(), "demo stopped", "its OnStop function")
		left, _ := filepath.Glob(filepath.Join(dir, "pillion-apache.*"))
		assert.Empty(t, left)
	}
}

func TestApache_RunScriptSaysWhatIsWrong(t *testing.T) {
	for env, says := range map[string]string{
		"PORT=many":               "is not a port number",
		"HTTPD_BINARY=/no/binary": "There is no /no/binary",
	} {
		cmd := exec.Command("../examples/apache/run.sh", t.TempDir())
		cmd.Env = append(os.Environ(), env)
		out, err := cmd.CombinedOutput()
		assert.Error(t, err)
		assert.Contains(t, strings.TrimSpace(string(out)), says)
	}
}
