package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cgi runs the applications as a CGI program.
func cgi(t *testing.T, body string, vars ...string) (string, error) {
	anew(t)
	var out bytes.Buffer
	vars = append([]string{"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_NAME=h", "SERVER_PORT=80"}, vars...)
	err := serveCGI(context.Background(), vars, strings.NewReader(body), &out)
	return out.String(), err
}

func TestCGI_OneRequestFromTheEnvironment(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		assert.True(t, env.RunOnce)
		assert.True(t, env.Multiprocess)
		assert.False(t, env.Multithread)
		b, err := io.ReadAll(env.Input)
		assert.NoError(t, err)
		v := env.Vars
		start("201 Created", []Pair{{"Content-Type", "text/plain"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}}, nil)
		return Blocks([]byte(strings.Join([]string{v["SCRIPT_NAME"], v["PATH_INFO"], v["QUERY_STRING"], v["HTTP_X_A"], v["CONTENT_LENGTH"], v["PATH"], string(b)}, "|")))
	}).ServeHTTP})
	out, err := cgi(t, "body, and what is not part of it", "REQUEST_METHOD=POST", "REQUEST_URI=/cgi-bin/app/a%2Fb?q", "SCRIPT_NAME=/cgi-bin/app",
		"PATH_INFO=/a/b", "QUERY_STRING=q", "CONTENT_LENGTH=4", "CONTENT_TYPE=text/plain", "HTTP_X_A=1", "PATH=/bin", "malformed")
	require.NoError(t, err)
	assert.Equal(t, "Status: 201 Created\r\nContent-Type: text/plain\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n/cgi-bin/app|/a/b|q|1|4|/bin|body", out)
}

func TestCGI_SeveralAppsAreBelowTheirNames(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": where, "two": where})
	out, err := cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI=/app/two/x", "SCRIPT_NAME=/app", "PATH_INFO=/two/x", "HTTP_USER_AGENT=Go")
	require.NoError(t, err)
	assert.Contains(t, out, "/x of /app/two/x at /app/two then /x by Go")
	out, err = cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI=/app", "SCRIPT_NAME=/app", "HTTP_USER_AGENT=Go", "PILLION_APP=one")
	require.NoError(t, err)
	assert.Contains(t, out, "/ of /app at /app then  by Go")
	out, err = cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI=/app/", "SCRIPT_NAME=/app", "PATH_INFO=/")
	require.NoError(t, err)
	assert.Contains(t, out, `<a href="/app/two/">two</a>`)
	out, err = cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI=/app/two", "SCRIPT_NAME=/app", "PATH_INFO=/two")
	require.NoError(t, err)
	assert.Contains(t, out, "Location: /app/two/\r\n")
	out, err = cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI=/app", "SCRIPT_NAME=/app", "PILLION_APP=none")
	require.NoError(t, err)
	assert.Contains(t, out, "Status: 500 ")
}

func TestCGI_FailuresBeforeTheHeadAre500AndAfterItAnError(t *testing.T) {
	captureLog(t)
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/early" {
			w.Write([]byte("half"))
			http.NewResponseController(w).Flush()
		}
		if r.URL.Path == "/exit" {
			runtime.Goexit()
		}
		panic("to order")
	}})
	out, err := cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI=/early")
	assert.NoError(t, err)
	assert.Contains(t, out, "Status: 500 Internal Server Error\r\n")
	for _, path := range []string{"/late", "/exit"} {
		out, err = cgi(t, "", "REQUEST_METHOD=GET", "REQUEST_URI="+path)
		assert.ErrorIs(t, err, errBroken)
		assert.True(t, strings.HasSuffix(out, "\r\n\r\nhalf"), out)
	}
}

// onSocket runs the stand-alone server with flags that make it listen at a
// socket, and returns its path.
func onSocket(t *testing.T, flag string) (path string, stop func() error) {
	anew(t)
	path = filepath.Join(t.TempDir(), "socket")
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := standAlone(ctx, []string{"test", flag, path}, w)
		w.CloseWithError(io.EOF)
		result <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "CGI on "+path)
	return path, func() error { cancel(); return <-result }
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

// scgiRequest is a request of SCGI.
func scgiRequest(body string, vars ...string) string {
	text := fmt.Sprintf("CONTENT_LENGTH\x00%d\x00SCGI\x001\x00SERVER_PROTOCOL\x00HTTP/1.1\x00SERVER_NAME\x00h\x00", len(body))
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		text += name + "\x00" + value + "\x00"
	}
	return fmt.Sprintf("%d:%s,%s", len(text), text, body)
}

func TestSCGI_RequestIsAnswered(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.URL, " ", r.ContentLength, " ", string(b), " ", err)
	}})
	path, stop := onSocket(t, "-scgi")
	for _, body := range []string{"", "a body"} {
		c := dial(t, path)
		io.WriteString(c, scgiRequest(body, "REQUEST_METHOD=POST", "REQUEST_URI=/a%2Fb"))
		b, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Contains(t, string(b), "Status: 200 OK\r\n")
		assert.True(t, strings.HasSuffix(string(b), fmt.Sprintf("POST /a%%2Fb %d %s <nil>", len(body), body)), string(b))
	}
	dial(t, path).Close() // for nothing
	assert.NoError(t, stop())
}

func TestSCGI_ServerThatLeavesEndsTheContext(t *testing.T) {
	in, left := make(chan struct{}), make(chan error, 1)
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		in <- struct{}{}
		<-r.Context().Done()
		left <- context.Cause(r.Context())
	}})
	path, stop := onSocket(t, "-scgi")
	c := dial(t, path)
	io.WriteString(c, scgiRequest("body", "REQUEST_METHOD=POST", "REQUEST_URI=/"))
	<-in
	c.Close()
	assert.ErrorIs(t, <-left, errGone)
	assert.NoError(t, stop())
}

func TestSCGI_BodyThatBreaksOffIsAnError(t *testing.T) {
	read := make(chan error, 1)
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}})
	path, stop := onSocket(t, "-scgi")
	c := dial(t, path)
	text := scgiRequest("a body", "REQUEST_METHOD=POST", "REQUEST_URI=/")
	io.WriteString(c, text[:len(text)-2])
	c.Close()
	assert.Error(t, <-read)
	assert.NoError(t, stop())
}

func TestGateways_StopLetsRequestsEnd(t *testing.T) {
	in, goOn := make(chan struct{}), make(chan struct{})
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		in <- struct{}{}
		<-goOn
		io.WriteString(w, "to the end")
	}})
	path, stop := onSocket(t, "-scgi")
	c := dial(t, path)
	idle := dial(t, path)
	io.WriteString(c, scgiRequest("", "REQUEST_METHOD=GET", "REQUEST_URI=/"))
	<-in
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	_, err := idle.Read(make([]byte, 1))
	assert.Error(t, err, "who has asked for nothing is sent away")
	close(goOn)
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Contains(t, string(b), "to the end")
	assert.NoError(t, <-stopped)
}

func TestFCGI_OnlyServersOnTheListMayConnect(t *testing.T) {
	addr := &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1}
	for list, want := range map[string]bool{"": true, "192.0.2.1": true, "192.0.2.2, 192.0.2.1": true, "192.0.2.2": false, "x": false} {
		assert.Equal(t, want, allowed(addr, list), list)
	}
	assert.True(t, allowed(&net.UnixAddr{}, "192.0.2.2"))
}

func TestListenAt_ReplacesASocketThatNobodyListensAt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	_, err = listenAt("unix:" + path)
	assert.Error(t, err, "somebody does")
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	l, err = listenAt(path)
	require.NoError(t, err)
	l.Close()
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err = listenAt(path)
	assert.Error(t, err, "not a socket")
	assert.FileExists(t, path)
}

func TestGateways_PathIsSettled(t *testing.T) {
	for _, c := range []struct{ given, script, path, query string }{
		{"REQUEST_URI=/a%2Fb?q", "", "/a/b", "q"},
		{"SCRIPT_NAME=/a/b DOCUMENT_URI=/a/b REQUEST_URI=/a/b", "", "/a/b", ""}, // nginx's own fastcgi_params
		{"SCRIPT_NAME=/a REQUEST_URI=/a", "/a", "", ""},
		{"SCRIPT_NAME=/a DOCUMENT_URI=/a/b REQUEST_URI=/a/b", "/a", "", ""},
		{"SCRIPT_NAME=/a DOCUMENT_URI=/a PATH_INFO= QUERY_STRING=x", "/a", "", "x"},
		{"SCRIPT_NAME=/a/b SCRIPT_NAME=/a PATH_INFO=/b", "/a", "/b", ""}, // what is told last counts
	} {
		var vars []Pair
		for _, v := range strings.Fields(c.given) {
			name, value, _ := strings.Cut(v, "=")
			vars = append(vars, Pair{name, value})
		}
		got := settlePath(lastOfEach(vars))
		assert.Equal(t, []string{c.script, c.path, c.query}, []string{field(got, "SCRIPT_NAME"), field(got, "PATH_INFO"), field(got, "QUERY_STRING")}, c.given)
	}
}

// runtimeService is a small Lambda runtime API.
type runtimeService struct {
	events []string
	posts  chan [2]string // path and body
	asked  int
}

func (s *runtimeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		s.posts <- [2]string{r.URL.Path, string(b)}
		return
	}
	if s.asked == len(s.events) {
		<-r.Context().Done() // no more events
		return
	}
	s.asked++
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("id-%d", s.asked))
	w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:test")
	io.WriteString(w, s.events[s.asked-1])
}

func TestLambda_EventsAreServedAndFailuresReported(t *testing.T) {
	anew(t)
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("to order")
		}
		_, limited := r.Context().Deadline()
		for _, p := range Environ(r) {
			if p.Name == "function.context" {
				fmt.Fprint(w, r.URL.Path, " ", limited, " ", p.Value)
			}
		}
	}})
	event := `{"version":"2.0","rawPath":%q,"requestContext":{"http":{"method":"GET"}}}`
	api := &runtimeService{events: []string{fmt.Sprintf(event, "/first"), fmt.Sprintf(event, "/panic"), `{"Records":[]}`, fmt.Sprintf(event, "/last")}, posts: make(chan [2]string)}
	srv := httptest.NewServer(api)
	defer srv.Close()
	t.Setenv("AWS_LAMBDA_RUNTIME_API", srv.Listener.Addr().String())
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "fn")
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- standAlone(ctx, []string{"test"}, io.Discard) }()

	const base = "/2018-06-01/runtime/invocation/"
	post := <-api.posts
	assert.Equal(t, base+"id-1/response", post[0])
	var reply sent
	require.NoError(t, json.Unmarshal([]byte(post[1]), &reply))
	assert.Equal(t, 200, reply.StatusCode)
	assert.Contains(t, reply.Body, `"awsRequestId":"id-1"`)
	assert.Contains(t, reply.Body, `"functionName":"fn"`)
	assert.Contains(t, reply.Body, `"invokedFunctionArn":"arn:test"`)
	post = <-api.posts
	assert.Equal(t, base+"id-2/error", post[0])
	assert.JSONEq(t, `{"errorMessage":"host: the application broke the response off","errorType":"host.Error"}`, post[1])
	post = <-api.posts
	assert.Equal(t, base+"id-3/error", post[0])
	assert.Contains(t, post[1], "AWS API Gateway")
	post = <-api.posts
	assert.Equal(t, base+"id-4/response", post[0])
	cancel()
	assert.NoError(t, <-result)
}

func TestLambda_FailedStartIsReported(t *testing.T) {
	anew(t)
	only(t, map[string]http.HandlerFunc{"one": http.NotFound})
	OnStart(func(context.Context) error { return errors.New("no database") })
	api := &runtimeService{posts: make(chan [2]string, 1)}
	srv := httptest.NewServer(api)
	defer srv.Close()
	t.Setenv("AWS_LAMBDA_RUNTIME_API", srv.Listener.Addr().String())
	captureLog(t)
	assert.ErrorContains(t, standAlone(context.Background(), []string{"test"}, io.Discard), "no database")
	post := <-api.posts
	assert.Equal(t, "/2018-06-01/runtime/init/error", post[0])
	assert.Contains(t, post[1], "no database")
}
