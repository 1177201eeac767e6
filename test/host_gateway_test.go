// The applications as a program of their own, by FastCGI and SCGI behind nginx.

package test

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// Why a row does not apply to a gateway.
const (
	noCGI      = "CGI's way of telling a request or a response has no place for it"
	nginxsBody = "nginx reads a body as it sees fit when it passes it on over a socket"
	nginxsRoom = "another pair of sockets lies between"
)

func init() {
	for _, host := range []string{"fastcgi", "scgi"} {
		exceptions[host] = map[string]string{
			"repeated_request_headers_keep_their_order":        noCGI,
			"cookies_are_one_header_or_many":                   noCGI,
			"informational_heads_precede_the_final":            noCGI,
			"trailers_arrive":                                  noCGI,
			"request_trailers_arrive_with_the_end_of_the_body": noCGI,
			"chunked_upload_has_no_length_while_it_lasts":      nginxsBody,
			"upload_and_download_at_the_same_time":             nginxsBody,
			"echo_of_64_MiB_arrives_whole":                     nginxsBody,
			"expect_is_answered_by_the_read":                   nginxsBody,
			"expect_without_a_read_gets_no_100":                nginxsBody,
			"early_answer_to_an_upload":                        nginxsBody,
			"client_leaving_in_an_upload_is_an_error":          nginxsBody,
			"slow_reader_stops_the_handler":                    nginxsRoom,
			"slow_handler_stops_the_upload":                    nginxsRoom,
			"growing_file_is_sent_as_it_grows":                 nginxsRoom,
			"file_that_shrinks_while_it_is_sent_is_a_cut":      nginxsRoom,
			"client_leaving_in_a_file_is_an_error":             nginxsRoom,
			"write_deadline_ends_the_sending_of_a_file":        nginxsRoom,
			"unknown_expectation_is_417":                       refuses,
			"http10_abort_is_a_reset":                          "nginx ends the connection of a response that is cut as any other",
		}
		for _, r := range hijackRows {
			if r.name != "hijack_after_the_head_fails" {
				exceptions[host][r.name] = noCGI
			}
		}
	}
}

// forms are those of the applications that tests want, by the test's name.
var forms sync.Map

// asApps gives the hosts that a test starts their applications in the form of
// Apps.
func asApps(t *testing.T) {
	forms.Store(t.Name(), "app")
	t.Cleanup(func() { forms.Delete(t.Name()) })
}

// formOf is what BEHAVE_FORM has to be in the processes of a test.
func formOf(t *testing.T) string {
	form, _ := forms.Load(t.Name())
	name, _ := form.(string)
	return name
}

// formEnv is what the environment of a host's process needs for that.
func formEnv(t *testing.T) []string { return []string{behave.FormVariable + "=" + formOf(t)} }

// program is the test applications as a program.
func program(t *testing.T) string {
	return builtOnce("program").get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, "app")
		out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./app").CombinedOutput()
		return path, out, err
	})
}

// startProgram starts the program with arguments and returns the address that it
// prints, and its log. At the end of the test it has to end well.
func startProgram(t *testing.T, args ...string) (addr string, log func() string) {
	t.Helper()
	logName := filepath.Join(tempDir(t, "program"), "stderr")
	logFile, err := os.Create(logName)
	require.NoError(t, err)
	defer logFile.Close()
	cmd := exec.Command(program(t), args...)
	cmd.Env = append(os.Environ(), formEnv(t)...)
	cmd.Stderr = logFile
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	log = func() string {
		b, _ := os.ReadFile(logName)
		return string(b)
	}
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		require.FailNow(t, "the program has not started", log())
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(patience, func() { cmd.Process.Signal(syscall.SIGABRT) })
		new(bytes.Buffer).ReadFrom(out)
		assert.NoError(t, cmd.Wait(), tail(log()))
		assert.True(t, kill.Stop(), "the program did not end by itself")
		assertSane(t, log())
	})
	fields := strings.Fields(line)
	return fields[len(fields)-1], log
}

// gateway is the part of nginx.conf that passes requests on by a protocol.
const gateway = `
    @protocol@_buffering off;
    @protocol@_read_timeout 300s;
    @protocol@_next_upstream off;
    location / {
        include /etc/nginx/@protocol@_params;
        @protocol@_param HTTP_HOST $http_host;
        @protocol@_param PILLION_APP behave;
        @protocol@_pass application;
    }
    location /other {
        include /etc/nginx/@protocol@_params;
        @protocol@_param HTTP_HOST $http_host;
        @protocol@_param PILLION_APP other;
        @protocol@_pass application;
    }
    location ~ ^(?<mount>/mounted)(?<below>/.*)$ {
        include /etc/nginx/@protocol@_params;
        @protocol@_param HTTP_HOST $http_host;
        @protocol@_param PILLION_APP behave;
        @protocol@_param SCRIPT_NAME $mount;
        @protocol@_param PATH_INFO $below;
        @protocol@_pass application;
    }
`

// startGateway is nginx in front of the program, which listens as flag says.
func startGateway(t *testing.T, flag, protocol, upstream, server string) *server {
	addr, log := startProgram(t, flag, "127.0.0.1:0")
	n := conf{
		library: "none",
		http:    "upstream application { server " + addr + "; " + upstream + " }",
		server:  strings.ReplaceAll(server+gateway, "@protocol@", protocol),
	}.start(t)
	s := n.server
	s.name, s.log = protocol, log
	return s
}

func startFastCGI(t *testing.T) *server {
	return startGateway(t, "-fcgi", "fastcgi", "keepalive 8;", "fastcgi_keep_conn on; fastcgi_request_buffering off;")
}

func startSCGI(t *testing.T) *server { return startGateway(t, "-scgi", "scgi", "", "") }

// TestProgram_TakesFastCGIFromDescriptor0 is what a spawner of FastCGI programs
// relies on.
func TestProgram_TakesFastCGIFromDescriptor0(t *testing.T) {
	socket := filepath.Join(tempDir(t, "spawn"), "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(socket, 0o666))
	file, err := l.(*net.UnixListener).File()
	require.NoError(t, err)
	cmd := exec.Command(program(t))
	cmd.Stdin = file
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	file.Close()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		assert.NoError(t, cmd.Wait())
		l.Close()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "serving FastCGI on descriptor 0\n", line)

	// nginx's own parameters, which call the whole path SCRIPT_NAME.
	n := conf{library: "none", server: `
    location / { fastcgi_pass unix:` + socket + `; include /etc/nginx/fastcgi_params; fastcgi_param PILLION_APP behave; }
`}.start(t)
	var f behave.Facts
	n.get(t, "/facts/a%2Fb?q").into(t, &f)
	assert.EqualValues(t, "/facts/a/b", f.Path)
	assert.EqualValues(t, "/facts/a%2Fb", f.RawPath)
	assert.Equal(t, "", f.Variable("SCRIPT_NAME"))
	assert.Equal(t, "/facts/a/b", f.Variable("PATH_INFO"))
}
