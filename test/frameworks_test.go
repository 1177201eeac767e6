// The programs of the module in frameworks/: applications written with other
// people's packages, the same applications under plain net/http, and their
// clients.

package test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// frameworksLibrary is the library with the applications of frameworks/apps;
// library for a conf, whose location /with/ has to pass to "with".
func frameworksLibrary(t *testing.T) string {
	return frameworksBuild(t, "app", "-buildmode=c-shared")
}

// frameworksProgram is a program of frameworks/.
func frameworksProgram(t *testing.T, name string) string { return frameworksBuild(t, name) }

func frameworksBuild(t *testing.T, name string, flags ...string) string {
	return builtOnce("frameworks "+name).get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, "frameworks-"+name)
		cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", path}, flags...), "./"+name)...)
		cmd.Dir = "frameworks"
		cmd.Env = os.Environ()
		if sanitizing() {
			cmd.Env = append(cmd.Env, "CGO_CFLAGS="+sanitizers, "CGO_LDFLAGS=-fsanitize=address,undefined")
		}
		out, err := cmd.CombinedOutput()
		return path, out, err
	})
}

// startPlain serves the applications of frameworks/apps with net/http. It
// returns the address.
func startPlain(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(frameworksProgram(t, "plain"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		assert.NoError(t, cmd.Wait())
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(addr)
}
