// The applications as a CGI program under Apache's mod_cgid.

package test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// cgidConf is an httpd that has little but CGI programs.
const cgidConf = `
ServerRoot @dir@
PidFile @dir@/httpd.pid
ServerName localhost
Listen 127.0.0.1:@port@
ErrorLog @dir@/error.log
LogLevel info
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
@user@
ScriptSock @dir@/cgid.sock
StartServers 1
DocumentRoot @dir@
SetEnv PILLION_APP behave
SetEnv BEHAVE_FORM app
SetEnv APP_ENV "a  test"
SetEnv ap_trust_cgilike_cl 1
AllowEncodedSlashes NoDecode
<Location "/">
    CGIPassAuth On
</Location>
ScriptAlias /mounted @program@
ScriptAlias /none @program@-none
`

// startCGI is Apache in front of the program. It stops with the test.
func startCGI(t *testing.T) *server {
	httpd, err := exec.LookPath("apache2")
	if err != nil {
		if httpd = "/usr/sbin/apache2"; !isFile(httpd) || !isFile("/usr/lib/apache2/modules/mod_cgid.so") {
			missing(t, "apache2-bin")
		}
	}
	dir, port := tempDir(t, "apache"), freePort(t)
	user := ""
	if os.Getuid() == 0 {
		user = "User www-data\nGroup www-data"
		require.NoError(t, os.Chmod(dir, 0o777)) // for the socket of the daemon, which www-data connects to
	}
	text := strings.NewReplacer("@dir@", dir, "@port@", strconv.Itoa(port), "@program@", program(t), "@user@", user).Replace(cgidConf)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "httpd.conf"), []byte(text), 0o644))
	cmd := exec.Command(httpd, "-f", filepath.Join(dir, "httpd.conf"), "-DFOREGROUND")
	out, err := os.Create(filepath.Join(dir, "output"))
	require.NoError(t, err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	log := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "error.log"))
		said, _ := os.ReadFile(filepath.Join(dir, "output"))
		return string(b) + string(said)
	}
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s := newServer("cgi", "http://"+addr, dialTCP(addr), log)
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(patience):
			cmd.Process.Kill()
			<-exited
			assert.Fail(t, "httpd did not stop", tail(log()))
		}
		assertSane(t, log())
		if t.Failed() {
			t.Log(tail(log()))
		}
	})
	awaitListening(t, "httpd", addr, exited, log)
	return s
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// cgiRows are the rows of the behaviour table that need neither events between
// requests, each of which is a process of its own, nor what CGI has no place for.
var cgiRows = []string{
	"upload_arrives_whole", "download_arrives_whole", "body_that_nobody_reads_does_no_harm",
	"methods_arrive", "cookies_arrive", "proxy_header_never_arrives",
	"authorization_and_content_type_arrive", "dashes_and_underscores_stay_apart", "header_of_8000_bytes_arrives",
	"any_status_arrives", "content_type_is_sniffed",
	"panic_before_the_first_byte_is_500", "goexit_before_the_first_byte_is_500", "log_lines_have_level_and_request",
}

func TestCGI_UnderApache(t *testing.T) {
	s := startCGI(t)
	origin := s.base
	s.base += "/mounted"
	run := map[string]func(*testing.T, *server){}
	for _, rows := range [][]row{bodyRows, requestRows, responseRows, troubleRows} {
		for _, r := range rows {
			run[r.name] = r.run
		}
	}
	for _, name := range cgiRows {
		require.Contains(t, run, name)
		t.Run(name, func(t *testing.T) { run[name](t, s) })
	}

	t.Run("variables_arrive", func(t *testing.T) {
		var f behave.Facts
		s.get(t, "/facts/a%2Fb?q=1&r", "X-A", "1").into(t, &f)
		for name, want := range map[string]string{
			"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/mounted", "PATH_INFO": "/facts/a/b",
			"QUERY_STRING": "q=1&r", "REQUEST_URI": "/mounted/facts/a%2Fb?q=1&r", "SERVER_NAME": "127.0.0.1",
			"APP_ENV": "a  test", "HTTP_X_A": "1", "REMOTE_ADDR": "127.0.0.1",
		} {
			assert.Equal(t, want, f.Variable(name), name)
		}
		assert.EqualValues(t, "/facts/a/b", f.Path)
		assert.EqualValues(t, "/facts/a%2Fb", f.RawPath)
		assert.EqualValues(t, strings.TrimPrefix(origin, "http://"), f.Host)
		assert.Regexp(t, `^127\.0\.0\.1:\d+$`, string(f.Remote))
	})
	t.Run("chunked_upload_arrives", func(t *testing.T) {
		w := s.wire(t, "POST /mounted/hash HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nConnection: close\n\n5\nhello\n0\n\n")
		var sum behave.Sum
		w.answer("POST").into(t, &sum)
		assert.Equal(t, behave.Sum{Bytes: 5, SHA256: hash("hello"), Length: -1, Coding: []string{"chunked"}}, sum)
	})
	t.Run("repeated_cookies_arrive", func(t *testing.T) {
		a := s.whole(t, behave.Spec{Headers: [][2]string{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}}.URL())
		assert.Equal(t, []string{"a=1", "b=2"}, a.Header["Set-Cookie"])
	})
	t.Run("arguments_of_the_client_are_not_looked_at", func(t *testing.T) {
		var f behave.Facts
		s.get(t, "/facts/x?-addr+127.0.0.1:1").into(t, &f)
		assert.EqualValues(t, "-addr+127.0.0.1:1", f.Query)
	})
	t.Run("cut_with_a_length_is_seen", func(t *testing.T) {
		// What httpd has whole before it sends gets a length of httpd's own.
		target := "/mounted" + behave.Spec{Headers: [][2]string{{"Content-Length", "100000"}}, Size: 50000}.URL()
		a := s.wire(t, "GET "+target+" HTTP/1.1\nHost: h\nConnection: close\n\n").answer("GET")
		assert.Error(t, a.err)
	})
	t.Run("client_leaving_cancels_the_context", func(t *testing.T) {
		w := s.wire(t, "GET /mounted/fill?key=k&n=1000000000 HTTP/1.1\nHost: h\n\n")
		require.Equal(t, http.StatusOK, w.response("GET").StatusCode)
		w.Close()
		eventually(t, "the process ends", func() bool { return len(processesOf(program(t))) == 0 })
	})
}

// processesOf are the processes that run a program.
func processesOf(path string) (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == path {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}

// A server that hands a client's Proxy field to a CGI program as HTTP_PROXY, as
// RFC 3875 would have it, makes it a setting of the process.
func TestCGI_ProxyFieldIsNoSettingOfTheProcess(t *testing.T) {
	cmd := exec.Command(program(t))
	cmd.Env = []string{"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REQUEST_METHOD=GET", "PILLION_APP=behave", "HTTP_HOST=h",
		"REQUEST_URI=/runtime?env=HTTP_PROXY&env=HTTP_HOST", "HTTP_PROXY=http://evil.example/"}
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), `"Env":{"HTTP_HOST":"h"}`)
}
