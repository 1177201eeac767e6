// The programs of the module in frameworks/: applications written with other
// people's packages, the same applications under plain net/http, and their
// clients.

package test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// frameworkServers are the servers that have to serve the applications of
// frameworks/apps as net/http does.
var frameworkServers = []struct {
	name  string
	start func(*testing.T) *server
}{
	{"nginx", func(t *testing.T) *server { return withFrameworks(t).start(t).server }},
	{"apache", func(t *testing.T) *server {
		return apacheConf{library: frameworksLibrary(t), host: everyApache + withInApache}.start(t).server
	}},
	{"nginx-http2", func(t *testing.T) *server {
		c := withFrameworks(t)
		c.listen = "http2"
		return overHTTP2(c.start(t).server)
	}},
}

const withInApache = `
  <Location "/with/">
    SetHandler pillion
    PillionApp with
  </Location>
`

const uploadForm = "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\na title\r\n" +
	"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n0123456789\r\n--x--\r\n"

// visits are the requests that each application gets.
var visits = []struct {
	method, path, body string
	headers            []string
}{
	{method: "GET", path: "/hello/you?greeting=hey%20there"},
	{method: "HEAD", path: "/hello/you"},
	{method: "DELETE", path: "/hello/you"},
	{method: "OPTIONS", path: "/hello/you"},
	{method: "GET", path: "/hello/a%2Fb"},
	{method: "GET", path: "/hello/a%20b"},
	{method: "GET", path: "/hello/"},
	{method: "GET", path: "/hello/you/"},
	{method: "GET", path: "//hello/you"},
	{method: "GET", path: "/tree/a/b%2Fc/"},
	{method: "GET", path: "/none"},
	{method: "POST", path: "/json", body: `{"text":"hello","tags":["a"]}`, headers: []string{"Content-Type", "application/json"}},
	{method: "POST", path: "/json", body: `{"text":`, headers: []string{"Content-Type", "application/json"}},
	{method: "POST", path: "/json", body: `{"text":"hello"}`, headers: []string{"Content-Type", "text/plain"}},
	{method: "POST", path: "/upload", body: uploadForm, headers: []string{"Content-Type", "multipart/form-data; boundary=x"}},
	{method: "POST", path: "/upload", body: "a=b", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}},
	{method: "GET", path: "/events"},
	{method: "GET", path: "/panic"},
	{method: "GET", path: "/page"},
	{method: "GET", path: "/page", headers: []string{"Accept-Encoding", "gzip"}},
	{method: "GET", path: "/moved"},
	{method: "GET", path: "/cookie"},
	{method: "GET", path: "/slow"},
	{method: "GET", path: "/private/"},
	{method: "GET", path: "/private"},
	{method: "GET", path: "/private/", headers: []string{"Authorization", "Basic dXNlcjpzZWNyZXQ="}},
	{method: "GET", path: "/private/", headers: []string{"Authorization", "Basic dXNlcjp3cm9uZw=="}},
}

func TestFrameworks_AnswerAsUnderNetHTTP(t *testing.T) {
	addr := startPlain(t)
	plain := newServer("plain", "http://"+addr, dialTCP(addr), nil)
	for _, h := range frameworkServers {
		t.Run(h.name, func(t *testing.T) {
			s := h.start(t)
			returnsToBaseline(t, s)
			for _, name := range []string{"chi", "gin", "echo", "gorilla-mux"} {
				t.Run(name, func(t *testing.T) {
					succeeded := 0 // which not all of them shall
					for _, v := range visits {
						visit := func(s *server) string {
							a, err := s.try(v.method, "/with/"+name+v.path, strings.NewReader(v.body), v.headers...)
							require.NoError(t, err)
							if a.StatusCode < 300 {
								succeeded++
							}
							return said(a)
						}
						assert.Equal(t, visit(plain), visit(s), "%s %s %v", v.method, v.path, v.headers)
					}
					assert.Greater(t, succeeded, len(visits)/2, "of two for each visit")
				})
			}
		})
	}
}

// said is what an answer says, but for what servers add.
func said(a answer) string {
	for _, name := range []string{"Date", "Server", "Connection"} {
		a.Header.Del(name)
	}
	var b strings.Builder
	fmt.Fprintln(&b, a.StatusCode)
	a.Header.Write(&b)
	fmt.Fprintln(&b, a.body, a.err)
	return b.String()
}

// TestFrameworks_WebDAV runs litmus, the protocol suite of WebDAV servers.
func TestFrameworks_WebDAV(t *testing.T) {
	litmus, err := exec.LookPath("litmus")
	if err != nil {
		missing(t, "litmus")
	}
	verdicts := func(t *testing.T, base string) []string {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, litmus, "-k", base+"/with/webdav/")
		cmd.Dir = t.TempDir() // for its logs
		out, _ := cmd.CombinedOutput()
		tests := regexp.MustCompile(`(?m)^ *\d+\. (\S+?)\.* (pass|FAIL|SKIPPED|WARNING)`).FindAllStringSubmatch(clean(string(out)), -1)
		require.Greater(t, len(tests), 60, "%s", out)
		var verdicts []string
		for _, v := range tests {
			verdicts = append(verdicts, v[1]+" "+v[2])
		}
		return verdicts
	}
	addr := startPlain(t)
	want := verdicts(t, "http://"+addr)
	for _, h := range frameworkServers[:2] { // litmus speaks HTTP/1.1
		t.Run(h.name, func(t *testing.T) {
			assert.Equal(t, want, verdicts(t, h.start(t).base))
		})
	}
}

// clean takes out of litmus's output what it writes over.
func clean(out string) string {
	return regexp.MustCompile(`(?m)^.*\r`).ReplaceAllString(out, "")
}

// TestFrameworks_Connect calls a Connect service, with its own client, over
// HTTP/2.
func TestFrameworks_Connect(t *testing.T) {
	calls := func(base string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, frameworksProgram(t, "connectclient"), base+"/with/connect").CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	want := calls("http://" + startPlain(t))
	assert.Contains(t, want, "upper: WORD a test 4")
	assert.Contains(t, want, "count: 2000 2001000 <nil> yes yes")
	h := frameworkServers[2]
	t.Run(h.name, func(t *testing.T) {
		s := h.start(t)
		returnsToBaseline(t, s)
		assert.Equal(t, want, calls(s.base))
	})
}
