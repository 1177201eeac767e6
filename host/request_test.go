package host

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requestOf is what a handler gets for m, or the refusal.
func requestOf(m Message) (*http.Request, *refusal) {
	return newServing(nil, &m).newRequest()
}

func environ(pairs ...string) Message {
	var m Message
	for i := 0; i < len(pairs); i += 2 {
		m.Environ = append(m.Environ, Pair{pairs[i], pairs[i+1]})
	}
	return m
}

func TestRequest_FromVariablesAlone(t *testing.T) {
	m := environ(
		"REQUEST_METHOD", "POST", "SERVER_PROTOCOL", "HTTP/1.1", "SCRIPT_NAME", "", "PATH_INFO", "/a b/ä",
		"QUERY_STRING", "x=1&y", "SERVER_NAME", "example.org", "SERVER_PORT", "8080",
		"REMOTE_ADDR", "2001:db8::1", "REMOTE_PORT", "99", "CONTENT_LENGTH", "3", "CONTENT_TYPE", "text/x",
		"HTTP_ACCEPT_ENCODING", "gzip", "HTTP_X_ODD_NAME", "1", "HTTP_COOKIE", "a=1; b=2", "HTTP_PROXY", "evil",
		"HTTP_CONTENT_LENGTH", "77", "HTTP_CONTENT_TYPE", "evil", "HTTP_", "ignored", "OTHER", "x",
	)
	m.Body = []byte("abc")
	r, refused := requestOf(m)
	require.Nil(t, refused)
	assert.Equal(t, http.Header{
		"Accept-Encoding": {"gzip"}, "X-Odd-Name": {"1"}, "Cookie": {"a=1; b=2"},
		"Content-Type": {"text/x"}, "Content-Length": {"3"},
	}, r.Header)
	assert.Equal(t, "/a%20b/%C3%A4?x=1&y", r.RequestURI)
	assert.Equal(t, "/a b/ä", r.URL.Path)
	assert.Equal(t, "x=1&y", r.URL.RawQuery)
	assert.Equal(t, "example.org:8080", r.Host)
	assert.Equal(t, "[2001:db8::1]:99", r.RemoteAddr)
	assert.EqualValues(t, 3, r.ContentLength)
	assert.Len(t, Environ(r), len(m.Environ)-1)
	assert.NotContains(t, Environ(r), Pair{"HTTP_PROXY", "evil"})
}

func TestRequest_HeadersHideTheirVariables(t *testing.T) {
	m := request("", "GET", "/", Pair{"x-a", "1"}, Pair{"X_A", "2"}, Pair{"pRoXy", "evil"})
	m.Environ = append(m.Environ, Pair{"HTTP_X_B", "3"}, Pair{"HTTP_HOST", "other"})
	r, refused := requestOf(m)
	require.Nil(t, refused)
	assert.Equal(t, http.Header{"X-A": {"1"}, "X_a": {"2"}}, r.Header)
	assert.Equal(t, "example.org", r.Host)
}

func TestRequest_HeaderValuesDoNotShareRoom(t *testing.T) {
	r, refused := requestOf(request("", "GET", "/", Pair{"A", "1"}, Pair{"B", "2"}, Pair{"A", "3"}))
	require.Nil(t, refused)
	r.Header.Add("A", "4")
	r.Header.Add("B", "5")
	assert.Equal(t, http.Header{"A": {"1", "3", "4"}, "B": {"2", "5"}}, r.Header)
}

func TestRequest_Host(t *testing.T) {
	for name, c := range map[string]struct {
		m    Message
		want string
		bad  string
	}{
		"given":                      {m: request("", "GET", "/"), want: "example.org"},
		"SERVER_NAME":                {m: environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a"), want: "a"},
		"usual port":                 {m: environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a", "SERVER_PORT", "80"), want: "a"},
		"usual port of https":        {m: environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a", "SERVER_PORT", "443", "HTTPS", "on"), want: "a"},
		"HTTP_HOST":                  {m: environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a", "HTTP_HOST", "b"), want: "b"},
		"two HTTP_HOST":              {m: environ("REQUEST_METHOD", "GET", "HTTP_HOST", "a", "HTTP_HOST", "b"), bad: "more than one Host header"},
		"none":                       {m: environ("REQUEST_METHOD", "GET", "SERVER_PROTOCOL", "HTTP/1.1"), bad: "no Host header"},
		"none, protocol not known":   {m: environ("REQUEST_METHOD", "GET")},
		"none in HTTP/1.0":           {m: environ("REQUEST_METHOD", "GET", "SERVER_PROTOCOL", "HTTP/1.0")},
		"none in HTTP/2":             {m: environ("REQUEST_METHOD", "GET", "SERVER_PROTOCOL", "HTTP/2.0")},
		"only SERVER_NAME is no use": {m: Message{Environ: request("", "GET", "/").Environ, Headers: []Pair{{"A", "b"}}}, bad: "no Host header"},
	} {
		t.Run(name, func(t *testing.T) {
			r, refused := requestOf(c.m)
			if c.bad != "" {
				require.NotNil(t, refused)
				assert.Equal(t, refusal{400, c.bad}, *refused)
				return
			}
			require.Nil(t, refused)
			assert.Equal(t, c.want, r.Host)
		})
	}
}

func TestRequest_Mounted(t *testing.T) {
	for _, c := range []struct {
		script, path, uri       string
		wantPath, wantRaw, want string
	}{
		{"/api", "/x", "/api/x?q", "/x", "", "/x?q"},
		{"/api", "", "/api", "/", "", "/"},
		{"/api", "", "/api?q", "/", "", "/?q"},
		{"/api", "/", "/api/", "/", "", "/"},
		{"/api/", "/x", "/api/x", "/x", "", "/x"},
		{"/", "/x", "/x", "/x", "", "/x"},
		{"/api", "/x/y", "/api/x%2Fy", "/x/y", "/x%2Fy", "/x%2Fy"},
		{"/api", "/x y", "/api/x%20y", "/x y", "", "/x%20y"},
		{"/api", "/xy", "/%61pi/%78y", "/xy", "/%78y", "/%78y"},
		{"/a b", "/c", "/a%20b/c", "/c", "", "/c"},
		{"/a/b", "/c", "/a%2Fb/c", "/c", "", "/c"},
		{"/ä", "/c!", "/%C3%a4/c!", "/c!", "/c!", "/c!"},
		{"/ä", "/c", "/ä/c", "/c", "", "/c"},
		{"/api", "/x/y", "http://h/api/x%2Fy", "/x/y", "/x%2Fy", "http://h/x%2Fy"},
		// The server has rewritten the request.
		{"/api", "/new", "/old?q", "/new", "", "/new?rewritten"},
		{"/api", "", "/old", "/", "", "/?rewritten"},
		{"/api", "/i", "/apixx", "/i", "", "/i?rewritten"},
		{"/api", "/i", "/%61p", "/i", "", "/i?rewritten"},
	} {
		t.Run(c.script+" "+c.uri, func(t *testing.T) {
			m := request("", "GET", c.uri)
			m.Environ = append(m.Environ, Pair{"SCRIPT_NAME", c.script}, Pair{"PATH_INFO", c.path}, Pair{"QUERY_STRING", "rewritten"})
			r, refused := requestOf(m)
			require.Nil(t, refused)
			assert.Equal(t, c.wantPath, r.URL.Path)
			assert.Equal(t, c.wantRaw, r.URL.RawPath)
			assert.Equal(t, c.want, r.URL.String())
			assert.Equal(t, c.uri, r.RequestURI)
		})
	}
}

func TestRequest_MountedAsStripPrefix(t *testing.T) {
	for _, target := range []string{"/api/", "/api/x", "/api/x/../y", "/api//x", "/api/%20", "/api/a%2Fb", "/api/!*'()", "/api/\xff", "/api/a:b;c=d,e@f&g+h$"} {
		u, err := url.ParseRequestURI(target)
		require.NoError(t, err)
		var want *url.URL
		http.StripPrefix("/api", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { want = r.URL })).
			ServeHTTP(nil, &http.Request{URL: u})
		m := request("", "GET", target)
		m.Environ = append(m.Environ, Pair{"SCRIPT_NAME", "/api"})
		r, refused := requestOf(m)
		require.Nil(t, refused)
		assert.Equal(t, want, r.URL, target)
	}
}

func TestRequest_RemoteAddr(t *testing.T) {
	for _, c := range [][3]string{
		{"192.0.2.1", "80", "192.0.2.1:80"}, {"192.0.2.1", "", "192.0.2.1:0"}, {"::1", "80", "[::1]:80"},
		{"[::1]", "80", "[::1]:80"}, {"unix:", "", "@"}, {"", "80", ""},
	} {
		assert.Equal(t, c[2], remoteAddr(nil, c[0], c[1]))
		assert.Equal(t, c[2], remoteAddr(make([]byte, 64), c[0], c[1]))
	}
}

func TestRequest_Refused(t *testing.T) {
	with := func(name, value string) Message {
		m := request("", "GET", "/")
		m.Environ = append(m.Environ, Pair{name, value})
		return m
	}
	for name, c := range map[string]struct {
		m      Message
		status int
	}{
		"no method":               {environ("SERVER_NAME", "a"), 400},
		"method with a space":     {with("REQUEST_METHOD", "GE T"), 400},
		"target with a space":     {with("REQUEST_URI", "/a b"), 400},
		"target with a line feed": {with("REQUEST_URI", "/a\nb"), 400},
		"protocol":                {with("SERVER_PROTOCOL", "SPDY/3"), 400},
		"HTTP/0.9":                {with("SERVER_PROTOCOL", "HTTP/0.9"), 505},
		"HTTP/4.0":                {with("SERVER_PROTOCOL", "HTTP/4.0"), 505},
		"CONTENT_LENGTH":          {with("CONTENT_LENGTH", "1x"), 400},
		"CONTENT_LENGTH negative": {with("CONTENT_LENGTH", "-1"), 400},
		"variable name":           {environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a", "HTTP_A(B", "c"), 400},
		"variable value":          {environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a", "HTTP_AB", "c\r\nd"), 400},
		"CONTENT_TYPE":            {environ("REQUEST_METHOD", "GET", "SERVER_NAME", "a", "CONTENT_TYPE", "c\r\nd"), 400},
		"two lengths": {func() Message {
			m := request("", "POST", "/", Pair{"Content-Length", "3"})
			m.Environ = append(m.Environ, Pair{"CONTENT_LENGTH", "4"})
			return m
		}(), 400},
	} {
		t.Run(name, func(t *testing.T) {
			_, refused := requestOf(c.m)
			require.NotNil(t, refused)
			assert.Equal(t, c.status, refused.status, refused.reason)
		})
	}
}

func TestRequest_Protocols(t *testing.T) {
	for given, want := range map[string]string{
		"": "HTTP/1.0 1 0", "HTTP/1.0": "HTTP/1.0 1 0", "INCLUDED": "HTTP/1.0 1 0",
		"HTTP/2": "HTTP/2.0 2 0", "HTTP/2.0": "HTTP/2.0 2 0", "HTTP/3": "HTTP/3.0 3 0", "HTTP/3.0": "HTTP/3.0 3 0",
	} {
		m := request("", "GET", "/")
		m.Environ[2].Value = given
		r, refused := requestOf(m)
		require.Nil(t, refused)
		assert.Equal(t, want, strings.Join([]string{r.Proto, decimal(int64(r.ProtoMajor)), decimal(int64(r.ProtoMinor))}, " "))
	}
}

func TestRequest_HTTP2(t *testing.T) {
	m := request("", "POST", "/", Pair{"cookie", "a=1"}, Pair{"cookie", "b=2"}, Pair{"expect", "100-continue"}, Pair{"pragma", "no-cache"})
	m.Environ[2].Value = "HTTP/2.0"
	m.More = true
	r, refused := requestOf(m)
	require.Nil(t, refused)
	assert.Equal(t, http.Header{"Cookie": {"a=1; b=2"}, "Pragma": {"no-cache"}}, r.Header)
	assert.EqualValues(t, -1, r.ContentLength)
	assert.NotEqual(t, http.NoBody, r.Body)
	assert.False(t, r.Close)
}

func TestRequest_TLS(t *testing.T) {
	r, _ := requestOf(request("", "GET", "/"))
	assert.Nil(t, r.TLS)

	cert := newCertificate(t, 7)
	for _, variable := range []Pair{{"HTTPS", "on"}, {"HTTPS", "1"}, {"REQUEST_SCHEME", "https"}} {
		m := request("", "GET", "/")
		m.Environ = append(m.Environ, variable,
			Pair{"SSL_PROTOCOL", "TLSv1.3"}, Pair{"SSL_CIPHER", "TLS_AES_128_GCM_SHA256"}, Pair{"SSL_SERVER_NAME", "sni.example"},
			Pair{"SSL_CLIENT_CERT", strings.ReplaceAll(strings.TrimSpace(cert), "\n", "\n\t")})
		r, refused := requestOf(m)
		require.Nil(t, refused)
		require.NotNil(t, r.TLS)
		assert.True(t, r.TLS.HandshakeComplete)
		assert.EqualValues(t, tls.VersionTLS13, r.TLS.Version)
		assert.Equal(t, tls.TLS_AES_128_GCM_SHA256, r.TLS.CipherSuite)
		assert.Equal(t, "sni.example", r.TLS.ServerName)
		require.Len(t, r.TLS.PeerCertificates, 1)
		assert.EqualValues(t, 7, r.TLS.PeerCertificates[0].SerialNumber.Int64())
	}

	m := request("", "GET", "/")
	m.Environ = append(m.Environ, Pair{"HTTPS", "on"}, Pair{"SSL_CLIENT_CERT", "rubbish"}, Pair{"SSL_CIPHER", "?"})
	r, refused := requestOf(m)
	require.Nil(t, refused)
	assert.Equal(t, &tls.ConnectionState{HandshakeComplete: true}, r.TLS)
}

func TestRequest_ContextValues(t *testing.T) {
	r, _ := requestOf(request("", "GET", "/"))
	assert.Same(t, server, r.Context().Value(http.ServerContextKey))
	assert.Equal(t, &net.TCPAddr{IP: net.ParseIP("192.0.2.2"), Port: 80}, r.Context().Value(http.LocalAddrContextKey))
	assert.Nil(t, r.Context().Value("other"))
	_, ok := r.Context().Deadline()
	assert.False(t, ok)

	m := request("", "GET", "/")
	m.Environ = append(m.Environ, Pair{"SERVER_ADDR", "unix:/run/x"})
	r, _ = requestOf(m)
	assert.Equal(t, &net.UnixAddr{Name: "/run/x", Net: "unix"}, r.Context().Value(http.LocalAddrContextKey))
	m.Environ = append(m.Environ, Pair{"SERVER_ADDR", "fe80::1%eth0"})
	r, _ = requestOf(m)
	assert.Equal(t, "[fe80::1%eth0]:80", r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
}

func TestContext_EndsWithItsCause(t *testing.T) {
	left := errors.New("the client has left")
	var ctx context.Context
	x := &strict{}
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
		child, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		go x.Cancel(left)
		<-child.Done()
		_, err := w.Write(make([]byte, 9000))
		assert.ErrorIs(t, err, left)
	}), "GET", "/")
	x.serve(t)
	assert.Equal(t, left, context.Cause(ctx))
	assert.Equal(t, context.Canceled, ctx.Err())
	assert.Equal(t, Aborted, x.End)

	x = serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) { ctx = r.Context() })
	assert.Equal(t, context.Canceled, context.Cause(ctx))
	assert.Equal(t, Complete, x.End)
}

func TestContext_CancelledBeforeTheHandler(t *testing.T) {
	x := &strict{}
	x.Cancel(nil)
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		assert.Error(t, r.Context().Err())
	}), "GET", "/")
	x.serve(t)
}

func TestEnviron(t *testing.T) {
	software := "test/1"
	serverSoftware.Store(&software)
	defer serverSoftware.Store(nil)
	m := request("", "GET", "/")
	m.Environ = append(m.Environ, Pair{"pillion.app", "x"})
	var kept *http.Request
	serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		kept = r
		got := Environ(r)
		assert.Equal(t, append(m.Environ[:len(m.Environ):len(m.Environ)], Pair{"SERVER_SOFTWARE", software}), got)
		got[0].Value = "changed"
		assert.Equal(t, "GET", Environ(r.WithContext(context.WithValue(r.Context(), 1, 2)))[0].Value)
	})
	assert.Nil(t, Environ(kept))
	assert.Nil(t, Environ(&http.Request{}))
	m.Environ = append(m.Environ, Pair{"SERVER_SOFTWARE", "own"})
	assert.Equal(t, m.Environ, withSoftware(m.Environ))
}

// The fast ways must say what the slow ones say.
func TestFieldName_UsualNamesAreThoseOfTheLongWay(t *testing.T) {
	for _, name := range commonNames {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			got, ok := fieldName(spelled)
			assert.True(t, ok)
			assert.Equal(t, http.CanonicalHeaderKey(spelled), got, spelled)
		}
	}
}

func TestValidValue_FindsAControlCharacterAnywhere(t *testing.T) {
	for length := range 40 {
		for at := range length {
			for c := range 256 {
				b := []byte(strings.Repeat("ü~ ", 20)[:length])
				b[at] = byte(c)
				want := c >= ' ' && c != 0x7f || c == '\t'
				if validValue(string(b)) != want {
					t.Fatalf("byte %#x at %d of %d", c, at, length)
				}
			}
		}
	}
	assert.False(t, validValue("a tab\t first, and then\x00 the end"))
}
