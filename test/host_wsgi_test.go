// WSGI servers with examples/python/pillion_wsgi.py, as hosts of the behaviour
// table.

package test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wsgiServer is a WSGI server to start. In arguments and files @dir@ stands for
// the directory with the bridge, test/wsgi and the library, @port@ for the port.
type wsgiServer struct {
	program string
	needs   string // Debian package
	args    []string
	conf    string // httpd.conf
	env     []string
	stop    syscall.Signal
	pool    bool // of wsgiThreads threads
}

// wsgiThreads is enough for the row with the most requests at once.
const wsgiThreads = 1040

var wsgiServers = map[string]wsgiServer{
	// Under wsgiref.validate, which raises where either side breaks a rule.
	"wsgiref": {
		program: "python3", needs: "python3", stop: syscall.SIGTERM,
		args: []string{"@dir@/wsgiref_server.py", "@port@"},
		env:  []string{"BEHAVE_VALIDATE=1"},
	},
	"gunicorn": {
		program: "/usr/bin/gunicorn", needs: "gunicorn", stop: syscall.SIGTERM, pool: true,
		args: []string{"--config", "@dir@/gunicorn_conf.py", "--bind", "127.0.0.1:@port@", "--chdir", "@dir@", "--worker-class", "gthread", "--workers", "1",
			"--threads", strconv.Itoa(wsgiThreads), "--worker-connections", "4000", "--backlog", "2048", "--timeout", "120",
			"--graceful-timeout", "20", "--worker-tmp-dir", "@dir@", "--limit-request-field_size", "0", "--limit-request-line", "0", "app:application"},
	},
	"uwsgi": {
		program: "uwsgi_python3", needs: "uwsgi-plugin-python3", stop: syscall.SIGINT, pool: true,
		args: []string{"--http-socket", "127.0.0.1:@port@", "--chdir", "@dir@", "--pythonpath", "@dir@", "--wsgi-file", "@dir@/app.py",
			"--master", "--processes", "1", "--threads", strconv.Itoa(wsgiThreads), "--lazy-apps", "--listen", "100",
			"--buffer-size", "65535", "--socket-timeout", "60", "--socket-sndbuf", "131072", "--socket-rcvbuf", "131072", "--need-app",
			"--add-header", "Connection: close"},
	},
	"mod_wsgi": {
		program: "/usr/sbin/apache2", needs: "libapache2-mod-wsgi-py3", stop: syscall.SIGTERM, pool: true,
		args: []string{"-d", "@dir@", "-f", "@dir@/httpd.conf", "-D", "FOREGROUND"},
		conf: fmt.Sprintf(`
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
Listen 127.0.0.1:@port@
ServerName localhost
PidFile @dir@/httpd.pid
ErrorLog @dir@/log
LogLevel info
DefaultRuntimeDir @dir@
@user@
StartServers 1
ServerLimit 1
ThreadLimit %[1]d
ThreadsPerChild %[1]d
MaxRequestWorkers %[1]d
SendBufferSize 131072
ReceiveBufferSize 131072
LimitRequestFieldSize 65536
LimitRequestLine 65536
AllowEncodedSlashes On
MergeSlashes Off
KeepAliveTimeout 1
WSGIScriptAlias / @dir@/app.py
WSGIPythonPath @dir@
WSGIApplicationGroup %%{GLOBAL}
WSGIChunkedRequest On
WSGIPassAuthorization On
`, wsgiThreads),
	},
}

// wsgi is a running WSGI server.
type wsgi struct {
	*server
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// start starts the server, with more in its environment. At the end of the test
// it is told to stop, and does.
func (w wsgiServer) start(t *testing.T, name string, env ...string) *wsgi {
	t.Helper()
	program, err := exec.LookPath(w.program)
	if err != nil {
		missing(t, w.needs)
	}
	dir, port := tempDir(t, name), strconv.Itoa(freePort(t))
	require.NoError(t, os.Chmod(dir, 0o777)) // a worker may be another user
	for _, pattern := range []string{"../examples/python/*.py", "wsgi/*.py"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			copyFile(t, file, filepath.Join(dir, filepath.Base(file)))
		}
	}
	copyFile(t, library(t, "one"), filepath.Join(dir, "libbehave.so"))
	user := ""
	if os.Getuid() == 0 {
		user = "User www-data\nGroup www-data"
	}
	fill := strings.NewReplacer("@dir@", dir, "@port@", port, "@user@", user)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "httpd.conf"), []byte(fill.Replace(w.conf)), 0o644))
	var args []string
	for _, arg := range w.args {
		args = append(args, fill.Replace(arg))
	}

	logName := filepath.Join(dir, "log")
	logFile, err := os.OpenFile(logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer logFile.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BEHAVE_LIBRARY="+filepath.Join(dir, "libbehave.so"), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Env = slices.Concat(cmd.Env, formEnv(t), w.env, env)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()

	addr := "127.0.0.1:" + port
	s := &wsgi{newServer("wsgi-"+name, "http://"+addr, dialTCP(addr), func() string {
		b, _ := os.ReadFile(logName)
		return string(b)
	}), dir, cmd, exited}
	s.hasty = true
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cmd.Process.Signal(w.stop)
		select {
		case <-exited:
		case <-time.After(patience):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGABRT) // with Go's stacks
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-exited
			assert.Fail(t, name+" did not stop")
		}
		assertSane(t, s.log())
		if t.Failed() {
			t.Logf("log of %s:\n%s", dir, tail(s.log()))
		}
	})
	awaitListening(t, name, addr, exited, s.log)
	return s
}

// startWarm is start with a request for each thread of the pool: Go keeps a
// goroutine for a foreign thread that has entered it.
func (w wsgiServer) startWarm(t *testing.T, name string) *server {
	s := w.start(t, name).server
	if !w.pool {
		return s
	}
	key := newKey()
	var wg sync.WaitGroup
	for range wsgiThreads {
		wg.Go(func() {
			a, err := s.try("GET", fmt.Sprintf("/cross/x?key=%s&meet=%d", key, wsgiThreads), nil)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, a.StatusCode)
			}
		})
	}
	wg.Wait()
	return s
}

// Why a row does not apply to a WSGI server.
const (
	wsgiNone   = "WSGI has no way to say it"
	wsgiLeft   = "this server does not show whether the client is there: a write has to fail"
	wsgiBlock  = "this server's wsgi.input.read waits until it has all that was asked for"
	wsgiReset  = "this server resets a connection on which it has left something unread"
	wsgiTurns  = "a WSGI server does not read the body while it waits for the response, nor the other way round"
	wsgiJoined = "WSGI has one variable for all headers of a name"
	wsgiFile   = "what wsgi.file_wrapper was given counts as sent"
	wsgiTarget = "this server keeps the request target to itself: PATH_INFO is what there is"
	wsgiHTTP10 = "this server speaks as in HTTP/1.0: a connection for each request, and no chunks that would show a cut"
)

var wsgiExceptions = map[string]map[string]string{
	"": {
		"upload_and_download_at_the_same_time":             wsgiTurns,
		"repeated_request_headers_keep_their_order":        wsgiJoined,
		"cookies_are_one_header_or_many":                   wsgiJoined,
		"trailers_arrive":                                  wsgiNone,
		"request_trailers_arrive_with_the_end_of_the_body": wsgiNone,
		"file_that_shrinks_while_it_is_sent_is_a_cut":      wsgiFile,
		"write_deadline_ends_the_sending_of_a_file":        wsgiFile,
		"informational_heads_precede_the_final":            wsgiNone,
	},
	"wsgiref": {
		"request_line_arrives_verbatim":                 wsgiTarget,
		"what_is_no_uri_arrives_verbatim_too":           wsgiTarget,
		"body_that_nobody_reads_does_no_harm":           wsgiReset,
		"mounted_application_sees_the_rest_of_the_path": wsgiTarget,
		"variables_are_told_once":                       wsgiTarget,
		"client_leaving_cancels_the_context":            wsgiLeft,
		"handler_may_outlive_its_client":                wsgiLeft,
		"client_leaving_in_an_upload_is_an_error":       wsgiBlock,
		"two_lengths_are_refused":                       "this server takes the first",
		"head_has_the_headers_and_no_body":              "this server gives HEAD a length of its own",
	},
	"gunicorn": {
		"early_answer_to_an_upload":                   wsgiReset,
		"pipelined_requests_are_answered_in_order":    "this server forgets what it has read beyond a request",
		"what_is_no_uri_arrives_verbatim_too":         "this server takes bytes outside of ASCII for UTF-8, and cuts off at #",
		"expect_without_a_read_gets_no_100":           "this server asks for the body before it calls the application",
		"http10_abort_is_a_reset":                     "this server closes the connection, which in HTTP/1.0 is the end of a response",
		"chunked_upload_has_no_length_while_it_lasts": wsgiBlock,
		"client_leaving_in_an_upload_is_an_error":     wsgiBlock,
	},
	"uwsgi": {
		"request_line_arrives_verbatim":           "this server resolves dots in the path",
		"body_that_nobody_reads_does_no_harm":     wsgiReset,
		"client_leaving_in_an_upload_is_an_error": wsgiBlock,
	},
	"mod_wsgi": {
		"http10_abort_is_a_reset":                      "this server closes the connection, which in HTTP/1.0 is the end of a response",
		"request_line_arrives_verbatim":                "Apache resolves dots in the path before WSGI sees it",
		"what_is_no_uri_arrives_verbatim_too":          "Apache itself refuses such a request",
		"proxy_header_never_arrives":                   "Apache keeps Proxy-Authorization from applications",
		"unknown_expectation_is_417":                   "Apache waits for the body before it sends the answer",
		"repeated_response_headers_and_cookies_arrive": "Apache joins Vary headers",
		"chunked_upload_has_no_length_while_it_lasts":  wsgiBlock,
		"client_leaving_in_an_upload_is_an_error":      wsgiBlock,
		"client_leaving_cancels_the_context":           wsgiLeft,
		"handler_may_outlive_its_client":               wsgiLeft,
	},
}

func init() {
	if sanitizing() { // Python would have to be built with the sanitizers
		return
	}
	for _, row := range []string{
		"echo_of_64_MiB_arrives_whole", "chunked_upload_arrives_whole", "chunked_upload_has_no_length_while_it_lasts",
		"chunked_upload_of_1_MiB_arrives_whole", "upload_in_single_bytes_arrives_whole",
		"keepalive_connection_serves_many_requests", "pipelined_requests_are_answered_in_order",
		"expect_is_answered_by_the_read", "panic_after_the_first_byte_is_a_cut", "abort_is_a_cut_without_a_stack",
		"http10_abort_is_a_reset", "goexit_after_the_first_byte_is_a_cut",
	} {
		wsgiExceptions["wsgiref"][row] = wsgiHTTP10
		wsgiExceptions["uwsgi"][row] = wsgiHTTP10
	}
	for _, name := range slices.Sorted(maps.Keys(wsgiServers)) {
		host := "wsgi-" + name
		hosts = append(hosts, struct {
			name  string
			start func(*testing.T) *server
		}{host, func(t *testing.T) *server { return wsgiServers[name].startWarm(t, name) }})
		exceptions[host] = maps.Clone(wsgiExceptions[""])
		maps.Copy(exceptions[host], wsgiExceptions[name])
		for _, r := range hijackRows {
			if r.name != "hijack_after_the_head_fails" {
				exceptions[host][r.name] = wsgiNone
			}
		}
	}
}
