// PEP 3333, point by point: what a gateway owes an application.

package host

import (
	"crypto/tls"
	"errors"
	"io"
	"iter"
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

var plain = []Pair{{"Content-Type", "text/plain"}}

// gateway runs an App for a request.
func gateway(t *testing.T, m Message, app App) *strict {
	t.Helper()
	return serve(t, m, app.ServeHTTP)
}

// environOf is the environ that an App gets for a request.
func environOf(t *testing.T, m Message) (env *Env) {
	t.Helper()
	x := gateway(t, m, func(e *Env, start StartResponse) iter.Seq2[[]byte, error] {
		env = e
		start("204 No Content", nil, nil)
		return nil
	})
	require.Equal(t, 204, x.Status)
	return env
}

// faulty asserts that an application is caught at a fault of its own: a 500,
// with its words in the log.
func faulty(t *testing.T, says string, app App) {
	t.Helper()
	log := captureLog(t)
	x := gateway(t, request("", "GET", "/"), app)
	assert.Equal(t, Aborted, x.End)
	assert.Zero(t, x.Status)
	assert.Contains(t, log.String(), says)
}

func TestPEP3333_01_ApplicationIsCalledOncePerRequestAndReusable(t *testing.T) {
	calls := 0
	name := app(App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		calls++
		start("200 OK", plain, nil)
		return Blocks([]byte(env.Vars["PATH_INFO"]))
	}).ServeHTTP)
	for i, path := range []string{"/a", "/b", "/c"} {
		x := &strict{Memory: Memory{Request: request(name, "GET", path)}}
		x.serve(t)
		assert.Equal(t, path, string(x.Body))
		assert.Equal(t, i+1, calls)
	}
}

func TestPEP3333_02_RequiredVariablesAreNeverEmpty(t *testing.T) {
	for _, m := range []Message{
		request("", "GET", "/"),
		environ("REQUEST_METHOD", "GET"),
		environ("REQUEST_METHOD", "GET", "SERVER_NAME", "", "SERVER_PORT", "", "SERVER_PROTOCOL", ""),
	} {
		env := environOf(t, m)
		for _, name := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} {
			assert.NotEmpty(t, env.Vars[name], name)
		}
	}
	env := environOf(t, environ("REQUEST_METHOD", "GET", "HTTP_HOST", "[::1]:81", "HTTPS", "on"))
	assert.Equal(t, "::1", env.Vars["SERVER_NAME"])
	assert.Equal(t, "81", env.Vars["SERVER_PORT"])
	assert.Equal(t, "443", environOf(t, environ("REQUEST_METHOD", "GET", "HTTPS", "on")).Vars["SERVER_PORT"])
}

func TestPEP3333_03_ScriptNameAndPathInfoAreTheDecodedPath(t *testing.T) {
	mounted := func(script, path, uri string) Message {
		m := request("", "GET", uri)
		m.Environ = append(m.Environ, Pair{"SCRIPT_NAME", script}, Pair{"PATH_INFO", path})
		return m
	}
	for _, c := range []struct {
		m                   Message
		script, path, query string
	}{
		{request("", "GET", "/a%2Fb%20c?q=%20"), "", "/a/b c", "q=%20"},
		{request("", "GET", "/"), "", "/", ""},
		{mounted("/app", "/x y", "/app/x%20y?"), "/app", "/x y", ""},
		{mounted("/app", "", "/app"), "/app", "", ""},
		{mounted("/", "/x", "/x"), "", "/x", ""},
		{request("", "GET", "http://h/absolute"), "", "/absolute", ""},
	} {
		env := environOf(t, c.m)
		assert.Equal(t, []string{c.script, c.path}, []string{env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"]}, c.m.Environ)
		query, ok := env.Vars["QUERY_STRING"]
		assert.True(t, ok)
		assert.Equal(t, c.query, query)
	}
}

func TestPEP3333_04_LengthAndTypeOfTheBodyHaveNoHTTP(t *testing.T) {
	m := request("", "POST", "/", Pair{"Content-Type", "a/b"}, Pair{"Content-Length", "3"})
	m.Body = []byte("abc")
	env := environOf(t, m)
	assert.Equal(t, "3", env.Vars["CONTENT_LENGTH"])
	assert.Equal(t, "a/b", env.Vars["CONTENT_TYPE"])
	assert.NotContains(t, env.Vars, "HTTP_CONTENT_LENGTH")
	assert.NotContains(t, env.Vars, "HTTP_CONTENT_TYPE")
	env = environOf(t, request("", "POST", "/", Pair{"Content_Length", "9"}, Pair{"Content_Type", "x"}))
	assert.NotContains(t, env.Vars, "HTTP_CONTENT_LENGTH", "a disguise")
	assert.NotContains(t, env.Vars, "HTTP_CONTENT_TYPE")
}

func TestPEP3333_05_HeadersAreMirroredAndAbsentOnesAbsent(t *testing.T) {
	env := environOf(t, request("", "GET", "/", Pair{"X-Many", "one"}, Pair{"x-many", "two"}, Pair{"Cookie", "a=1"},
		Pair{"Cookie", "b=2"}, Pair{"Proxy", "evil"}, Pair{"X-A", "dash"}, Pair{"X_A", "underscore"}, Pair{"X-Empty", ""}))
	assert.Equal(t, "one, two", env.Vars["HTTP_X_MANY"])
	assert.Equal(t, []string{"one", "two"}, env.Header["X-Many"])
	assert.Equal(t, "a=1; b=2", env.Vars["HTTP_COOKIE"])
	assert.Equal(t, "example.org", env.Vars["HTTP_HOST"])
	assert.Equal(t, "dash", env.Vars["HTTP_X_A"])
	env = environOf(t, request("", "GET", "/", Pair{"X_Remote_User", "admin"}))
	assert.NotContains(t, env.Vars, "HTTP_X_REMOTE_USER", "which would be X-Remote-User, a field that the server may have removed")
	assert.Equal(t, []string{"admin"}, env.Header[http.CanonicalHeaderKey("X_Remote_User")])
	assert.NotContains(t, env.Vars, "HTTP_PROXY")
	assert.NotContains(t, env.Header, "Proxy")
	for _, name := range []string{"CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_USER_AGENT", "HTTPS"} {
		assert.NotContains(t, env.Vars, name)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Proxy", "evil")
	assert.NotContains(t, NewEnv(r).Vars, "HTTP_PROXY", "of a server of the program's own")
	assert.Equal(t, "evil", r.Header.Get("Proxy"), "which keeps its header")
}

func TestPEP3333_06_FactsAreThereAndTrue(t *testing.T) {
	env := environOf(t, request("", "GET", "/"))
	assert.Equal(t, [2]int{1, 0}, env.Version)
	assert.Equal(t, "http", env.URLScheme)
	assert.NotNil(t, env.Input)
	assert.NotNil(t, env.Errors)
	assert.NotNil(t, env.Control)
	assert.NotNil(t, env.Values)
	assert.True(t, env.Multithread)
	assert.True(t, env.Multiprocess, "a server may have several workers")
	assert.False(t, env.RunOnce)
	assert.Equal(t, "https", environOf(t, environ("REQUEST_METHOD", "GET", "HTTPS", "on")).URLScheme)
	assert.Equal(t, "https", environOf(t, environ("REQUEST_METHOD", "GET", "REQUEST_SCHEME", "https")).URLScheme)

	r := httptest.NewRequest("GET", "/", nil)
	assert.False(t, NewEnv(r).Multiprocess, "a server of the program's own has one process")
	r.TLS = &tls.ConnectionState{}
	assert.Equal(t, "https", NewEnv(r).URLScheme)
	assert.Equal(t, "on", NewEnv(r).Vars["HTTPS"])
}

func TestPEP3333_07_ServersAndDeployersVariablesComeUntouched(t *testing.T) {
	m := request("", "GET", "/")
	m.Environ = append(m.Environ, Pair{"SSL_PROTOCOL", "TLSv1.3"}, Pair{"SSL_CIPHER", "TLS_AES_128_GCM_SHA256"},
		Pair{"HTTPS", "on"}, Pair{"SSL_CLIENT_CERT", "-"}, Pair{"APP_ENV", " pro\tduction "}, Pair{"myapp.key", "v"}, Pair{"EMPTY", ""})
	env := environOf(t, m)
	for name, want := range map[string]string{
		"SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_128_GCM_SHA256", "HTTPS": "on", "SSL_CLIENT_CERT": "-",
		"APP_ENV": " pro\tduction ", "myapp.key": "v", "EMPTY": "",
	} {
		value, ok := env.Vars[name]
		assert.True(t, ok, name)
		assert.Equal(t, want, value)
	}
}

func TestPEP3333_08_ValuesAreByteStrings(t *testing.T) {
	m := request("", "GET", "/%ff\xe4?\xfe", Pair{"X-Bytes", "\xe4\xf6"})
	m.Environ = append(m.Environ, Pair{"PARAM", "\x80\x00\n"})
	env := environOf(t, m)
	assert.Equal(t, "/\xff\xe4", env.Vars["PATH_INFO"])
	assert.Equal(t, "\xfe", env.Vars["QUERY_STRING"])
	assert.Equal(t, "\xe4\xf6", env.Vars["HTTP_X_BYTES"])
	assert.Equal(t, "\x80\x00\n", env.Vars["PARAM"])
}

func TestPEP3333_09_InputEndsAtTheLengthAndStaysThere(t *testing.T) {
	m := request("", "POST", "/", Pair{"Content-Length", "5"})
	m.Body, m.More = []byte("he"), true
	name := app(App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		_, closes := env.Input.(io.Closer)
		assert.False(t, closes, "the application cannot close it")
		b, err := io.ReadAll(env.Input)
		assert.NoError(t, err)
		for range 3 {
			n, err := env.Input.Read(make([]byte, 10))
			assert.Zero(t, n)
			assert.Equal(t, io.EOF, err)
		}
		start("200 OK", plain, nil)
		return Blocks(b)
	}).ServeHTTP)
	m.App = name
	x := &strict{Memory: Memory{Request: m, BodyReader: strings.NewReader("llo, and more")}}
	x.serve(t)
	assert.Equal(t, "hello", string(x.Body))

	r := httptest.NewRequest("POST", "/", nil)
	r.Body = io.NopCloser(strings.NewReader(""))
	env := NewEnv(r)
	_, err := io.ReadAll(env.Input)
	require.NoError(t, err)
	env.Input.(*input).r = strings.NewReader("more")
	_, err = env.Input.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err, "whatever the body does")
}

func TestPEP3333_10_ErrorsReachTheLogLineByLine(t *testing.T) {
	log := captureLog(t)
	gateway(t, request("", "GET", "/x"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		for _, text := range []string{"first\nsec", "ond\n", "odd \xff\x00\x1b\n", "flushed"} {
			n, err := io.WriteString(env.Errors, text)
			assert.NoError(t, err)
			assert.Equal(t, len(text), n)
		}
		assert.NoError(t, env.Errors.Flush())
		assert.Contains(t, log.String(), "flushed", "at once")
		io.WriteString(env.Errors, "unfinished")
		start("204 No Content", nil, nil)
		return nil
	})
	require.Len(t, log.lines, 5)
	for i, want := range []string{"first", "second", "odd \xff\\x00\\x1b", "flushed", "unfinished"} {
		assert.True(t, strings.HasPrefix(log.lines[i], "ERROR "+want+", app: "), log.lines[i])
		assert.Contains(t, log.lines[i], `request: "GET /x HTTP/1.1"`)
	}
}

func TestPEP3333_11_MalformedStatusAndHeadersAreRefused(t *testing.T) {
	for status, says := range map[string]string{
		"200": "is not a status", "200OK": "is not a status", "20 OK": "is not a status", "099 No": "is not a status",
		"abc No": "is not a status", "": "is not a status", "200 O\nK": "is not a status", "101 Switching Protocols": "Hijack",
	} {
		faulty(t, says, func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			start(status, plain, nil)
			return nil
		})
	}
	for _, c := range []struct {
		header Pair
		says   string
	}{
		{Pair{"Status", "200"}, "Status is not a header"},
		{Pair{"X-A", "a\r\nb"}, "control character"}, {Pair{"X-A", "a\x00"}, "control character"},
		{Pair{"X A", "a"}, "is not a header name"}, {Pair{"", "a"}, "is not a header name"},
		{Pair{"Content-Length", "-1"}, "is not a length"}, {Pair{"Content-Length", "many"}, "is not a length"},
	} {
		faulty(t, c.says, func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", []Pair{c.header}, nil)
			return nil
		})
	}
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("599 ", append(plain, Pair{"Set-Cookie", "a"}, Pair{"Set-Cookie", "b"}), nil)
		return nil
	})
	assert.Equal(t, 599, x.Status)
	assert.Equal(t, "a|b", field(x.Headers, "Set-Cookie"))
}

func TestPEP3333_12_HopByHopHeadersAreRefused(t *testing.T) {
	for _, name := range []string{"Connection", "Keep-Alive", "transfer-encoding", "Upgrade", "Proxy-Connection"} {
		faulty(t, "hop-by-hop", func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", []Pair{{name, "x"}}, nil)
			return nil
		})
	}
	m := request("", "POST", "/", Pair{"Transfer-Encoding", "chunked"})
	m.Body = []byte("decoded by the server")
	x := gateway(t, m, func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		assert.NotContains(t, env.Vars, "CONTENT_LENGTH")
		assert.NotContains(t, env.Vars, "HTTP_TRANSFER_ENCODING")
		b, _ := io.ReadAll(env.Input)
		start("200 OK", plain, nil)
		return Blocks(b)
	})
	assert.Equal(t, "decoded by the server", string(x.Body))
}

func TestPEP3333_13_HeadersAreValidatedWhenTheyAreSet(t *testing.T) {
	captureLog(t)
	gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		assert.Panics(t, func() { start("200 OK", []Pair{{"X", "\n"}}, nil) })
		headers := []Pair{{"X-A", "before"}}
		start("200 OK", headers, nil)
		headers[0].Value = "\n" // too late to do harm
		return nil
	})
}

func TestPEP3333_14_HeadGoesOutWithTheFirstBlockThatIsNotEmpty(t *testing.T) {
	var x *strict
	heads := func() int { return len(x.parts) }
	a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		assert.Zero(t, heads())
		return func(yield func([]byte, error) bool) {
			yield(nil, nil)
			yield([]byte{}, nil)
			assert.Zero(t, heads())
			yield([]byte("x"), nil)
			assert.Equal(t, 1, heads())
		}
	})
	x = &strict{Memory: Memory{Request: request(app(a.ServeHTTP), "GET", "/")}}
	x.serve(t)
	assert.Equal(t, "x", string(x.Body))

	y := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return Blocks(nil, nil)
	})
	assert.Equal(t, 200, y.Status, "at the end, if there is none")
	assert.Len(t, y.parts, 1)
}

func TestPEP3333_14_FlushAndInformationalHeadsGoOutAtOnce(t *testing.T) {
	var x *strict
	a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("103 Early Hints", []Pair{{"Link", "</a>"}}, nil)
		assert.Equal(t, []Info{{103, []Pair{{"Link", "</a>"}}}}, x.Info)
		w := start("200 OK", plain, nil)
		assert.Zero(t, x.Status)
		assert.NoError(t, Flush(w))
		assert.Equal(t, 200, x.Status)
		assert.Empty(t, field(x.Headers, "Link"), "was of the other head")
		return nil
	})
	x = &strict{Memory: Memory{Request: request(app(a.ServeHTTP), "GET", "/")}}
	x.serve(t)
}

func TestPEP3333_15_HeadMayBeReplacedUntilItIsSent(t *testing.T) {
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", append(plain, Pair{"X-First", "1"}), nil)
		start("503 Busy", append(plain, Pair{"X-Second", "2"}), errors.New("busy"))
		return Blocks([]byte("busy"))
	})
	assert.Equal(t, 503, x.Status)
	assert.Equal(t, "busy", string(x.Body))
	assert.Empty(t, field(x.Headers, "X-First"))
	assert.Equal(t, "2", field(x.Headers, "X-Second"))
	assert.Equal(t, Complete, x.End)

	log := captureLog(t)
	released := false
	x = gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return func(yield func([]byte, error) bool) {
			defer func() { released = true }()
			yield([]byte("begun"), nil)
			w := start("500 Error", plain, errors.New("in the middle"))
			_, err := w.Write([]byte("more"))
			assert.EqualError(t, err, "in the middle")
			assert.False(t, yield([]byte("more"), nil))
		}
	})
	assert.Equal(t, 200, x.Status)
	assert.Equal(t, "begun", string(x.Body))
	assert.Equal(t, Aborted, x.End)
	assert.True(t, released)
	assert.Contains(t, log.String(), "in the middle")
}

func TestPEP3333_15_SecondCallWithoutAnErrorIsAFault(t *testing.T) {
	faulty(t, "a second time, and without an error", func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		start("200 OK", plain, nil)
		return nil
	})
	faulty(t, "has not called StartResponse", func(env *Env, start StartResponse) iter.Seq2[[]byte, error] { return nil })
	faulty(t, "before StartResponse was called", func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		return Blocks([]byte("x"))
	})
}

func TestPEP3333_16_NeverMoreBytesThanContentLength(t *testing.T) {
	log := captureLog(t)
	stopped := false
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", append(plain, Pair{"Content-Length", "3"}), nil)
		return func(yield func([]byte, error) bool) {
			yield([]byte("abc"), nil)
			stopped = !yield([]byte("d"), nil)
		}
	})
	assert.Equal(t, "abc", string(x.Body))
	assert.True(t, stopped)
	assert.Contains(t, log.String(), "Content-Length")
}

func TestPEP3333_16_FewerBytesThanContentLengthIsACutAndLogged(t *testing.T) {
	log := captureLog(t)
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", append(plain, Pair{"Content-Length", "5"}), nil)
		return Blocks([]byte("abc"))
	})
	assert.Equal(t, Aborted, x.End)
	assert.Contains(t, log.String(), "wrote 3 bytes of a declared Content-Length of 5")
}

func TestPEP3333_17_BodyWrittenAtOnceGetsALength(t *testing.T) {
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil).Write([]byte("hello"))
		return nil
	})
	assert.Equal(t, "5", field(x.Headers, "Content-Length"))
	assert.Len(t, x.parts, 1)
}

func TestPEP3333_18_EachBlockIsSentBeforeTheNextIsAskedFor(t *testing.T) {
	var x *strict
	a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return func(yield func([]byte, error) bool) {
			for i := range 5 {
				assert.Len(t, x.Body, i)
				yield([]byte("."), nil)
				assert.Equal(t, i+1, x.Flushes)
			}
		}
	})
	x = &strict{Memory: Memory{Request: request(app(a.ServeHTTP), "GET", "/")}}
	x.serve(t)
	assert.Equal(t, ".....", string(x.Body))
}

func TestPEP3333_19_EmptyBlocksSendNothing(t *testing.T) {
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return Blocks(nil, []byte("a"), nil, []byte{}, []byte("b"), nil)
	})
	assert.Equal(t, "ab", string(x.Body))
	assert.Equal(t, 2, x.Flushes)
}

func TestPEP3333_20_SequenceIsReleasedOnce(t *testing.T) {
	captureLog(t)
	for name, c := range map[string]struct {
		middle func(yield func([]byte, error) bool, x *strict)
		end    End
	}{
		"on success":  {func(yield func([]byte, error) bool, x *strict) { yield([]byte("x"), nil) }, Complete},
		"on an error": {func(yield func([]byte, error) bool, x *strict) { yield(nil, errors.New("broken")) }, Complete},
		"on an error in the middle": {func(yield func([]byte, error) bool, x *strict) {
			yield([]byte("x"), nil)
			yield(nil, errors.New("broken"))
		}, Aborted},
		"on a panic":  {func(yield func([]byte, error) bool, x *strict) { panic("broken") }, Aborted},
		"on a Goexit": {func(yield func([]byte, error) bool, x *strict) { runtime.Goexit() }, Aborted},
		"when the client has left": {func(yield func([]byte, error) bool, x *strict) {
			yield([]byte("x"), nil)
			x.Cancel(errors.New("left"))
			for yield([]byte("x"), nil) {
			}
		}, Aborted},
	} {
		released := 0
		var x *strict
		a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", plain, nil)
			return func(yield func([]byte, error) bool) {
				defer func() { released++ }()
				c.middle(yield, x)
			}
		})
		x = &strict{Memory: Memory{Request: request(app(a.ServeHTTP), "GET", "/")}}
		x.serve(t)
		assert.Equal(t, 1, released, name)
		assert.Equal(t, c.end, x.End, name)
	}
}

func TestPEP3333_21_ErrorsAreCaughtAndAFailedResponseIsNeverWhole(t *testing.T) {
	log := captureLog(t)
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", append(plain, Pair{"X-Half", "1"}), nil)
		return Fail(errors.New("no database"))
	})
	assert.Equal(t, 500, x.Status)
	assert.Equal(t, Complete, x.End)
	assert.Equal(t, "Internal Server Error\n", string(x.Body))
	assert.Empty(t, field(x.Headers, "X-Half"))
	assert.Contains(t, log.String(), "no database")

	x = gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil).Write([]byte("written"))
		panic("in the application")
	})
	assert.Equal(t, Aborted, x.End)
	assert.Contains(t, log.String(), "in the application")

	before := log.String()
	x = gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		return Fail(http.ErrAbortHandler)
	})
	assert.Equal(t, Aborted, x.End)
	assert.Equal(t, before, log.String(), "ErrAbortHandler is not logged")
}

func TestPEP3333_22_ContinueIsSentAtTheFirstRead(t *testing.T) {
	srv := httptest.NewServer(App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		if env.Vars["PATH_INFO"] == "/read" {
			io.Copy(io.Discard, env.Input)
		}
		start("200 OK", plain, nil)
		return nil
	}))
	defer srv.Close()
	for path, want := range map[string]string{"/read": "HTTP/1.1 100 Continue", "/not": "HTTP/1.1 200 OK"} {
		assert.Equal(t, want, expectation(t, srv.Listener.Addr().String(), path))
	}
}

func TestPEP3333_23_DateIsTheServers(t *testing.T) {
	srv := httptest.NewServer(App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return nil
	}))
	defer srv.Close()
	answer, err := http.Get(srv.URL)
	require.NoError(t, err)
	answer.Body.Close()
	assert.NotEmpty(t, answer.Header.Get("Date"))
}

// What point 24 asks for is middleware.Serial.

func TestPEP3333_25_ExtensionsCanBeWrappedOrRefused(t *testing.T) {
	type bare struct{ io.Writer }
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		assert.NoError(t, env.Control.SetWriteDeadline(time.Now().Add(time.Hour)))
		_, _, err := env.Control.Hijack()
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		w := start("200 OK", append(plain, Pair{"Trailer", "X-Sum"}), nil)
		assert.ErrorIs(t, Flush(bare{w}), errors.ErrUnsupported, "refused")
		assert.ErrorIs(t, SetTrailers(bare{w}, nil), errors.ErrUnsupported)
		io.WriteString(w, "x")
		assert.NoError(t, Flush(lender{w}), "lent")
		assert.NoError(t, SetTrailers(lender{lender{w}}, []Pair{{"X-Sum", "1"}}))
		assert.Panics(t, func() { SetTrailers(w, []Pair{{"Content-Length", "1"}}) })
		return nil
	})
	assert.Equal(t, 1, x.Flushes)
	assert.Equal(t, []Pair{{"X-Sum", "1"}}, x.Trailers)
}

// lender is a writer that lends what the one below can do.
type lender struct{ io.Writer }

func (l lender) Unwrap() io.Writer { return l.Writer }

func TestPEP3333_26_FileWrapperSendsFromTheOffsetAndCloses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	for _, c := range []struct {
		length, want string
		wrap         func(io.Writer) io.Writer
	}{
		{"", "3456789", nil},
		{"4", "3456", nil},
		{"", "3456789", func(w io.Writer) io.Writer { return struct{ io.Writer }{w} }}, // read into blocks
	} {
		var f *os.File
		x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			var err error
			f, err = os.Open(name)
			require.NoError(t, err)
			f.Seek(3, io.SeekStart)
			headers := plain
			if c.length != "" {
				headers = append(headers, Pair{"Content-Length", c.length})
			}
			w := start("200 OK", headers, nil)
			if c.wrap != nil {
				w = c.wrap(w)
			}
			return FileWrapper(w, f)
		})
		assert.Equal(t, c.want, string(x.Body))
		assert.Equal(t, Complete, x.End)
		assert.ErrorIs(t, f.Close(), os.ErrClosed)
	}
}

// sendfile is a ResponseWriter that a file can be handed to.
type sendfile struct {
	*httptest.ResponseRecorder
	src []io.Reader
}

func (s *sendfile) ReadFrom(src io.Reader) (int64, error) {
	s.src = append(s.src, src)
	return io.Copy(s.ResponseRecorder, src)
}

func TestPEP3333_26_FileWrapperEndsInTheServersSendfile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	for _, length := range []string{"", "10"} {
		f, err := os.Open(name)
		require.NoError(t, err)
		w := &sendfile{ResponseRecorder: httptest.NewRecorder()}
		App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			headers := plain
			if length != "" {
				headers = append(headers, Pair{"Content-Length", length})
			}
			return FileWrapper(start("200 OK", headers, nil), f)
		}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Len(t, w.src, 1)
		src := w.src[0]
		if l, ok := src.(*io.LimitedReader); ok {
			src = l.R
		}
		assert.True(t, src == io.Reader(f), "the file itself, which sendfile needs, not %T", src)
		assert.Equal(t, "0123456789", w.Body.String())
	}
}

func TestPEP3333_27_ContentTypeIsAbsentWhereThereIsNoBody(t *testing.T) {
	// That it is there otherwise is for middleware.Validate to ask for: a
	// server in Go finds one by looking at the body.
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", nil, nil).Write([]byte("<html>"))
		return nil
	})
	assert.Equal(t, "text/html; charset=utf-8", field(x.Headers, "Content-Type"))
	x = gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", []Pair{{"Content-Type", ""}}, nil).Write([]byte("<html>"))
		return nil
	})
	assert.Empty(t, field(x.Headers, "Content-Type"), "an empty one is none on purpose")
	for _, status := range []string{"204 No Content", "304 Not Modified"} {
		x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			start(status, nil, nil)
			return nil
		})
		assert.Empty(t, field(x.Headers, "Content-Type"))
	}
}
