package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func (a *apache) facts(t *testing.T, path string, headers ...string) (f behave.Facts) {
	t.Helper()
	a.get(t, path, headers...).into(t, &f)
	return f
}

// has reports whether the application was given a variable of that name.
func has(f behave.Facts, name string) bool {
	for _, p := range f.Environ {
		if string(p[0]) == name {
			return true
		}
	}
	return false
}

func TestApache_ScriptAliasMapsTheLongestPrefix(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	a := apacheConf{
		main: `PillionScriptAlias /everywhere other`,
		host: `
			PillionScriptAlias /app/ behave
			PillionScriptAlias /app/deep/er behave
			PillionScriptAlias /app/deep other
			Alias /app/static @dir@/apps
			<Directory @dir@/apps>
			  Require all granted
			</Directory>`,
		hosts: fmt.Sprintf(`
			Listen 127.0.0.1:%d
			<VirtualHost 127.0.0.1:%d>
			  PillionScriptAlias / behave
			  PillionScriptAlias /everywhere behave
			</VirtualHost>`, port, port),
	}.start(t)
	returnsToBaseline(t, mountedAt(a.server, "/app"))
	for _, c := range []struct{ path, script, info, seen string }{
		{"/app/x", "/app", "/x", "/x"},
		{"/app", "/app", "", "/"},
		{"/%61pp/x%20y?q", "/app", "/x y", "/x y"},
		{"/app/deep/er/x", "/app/deep/er", "/x", "/x"},
		{"/app/deeper", "/app", "/deeper", "/deeper"},
	} {
		f := a.facts(t, c.path)
		assert.Equal(t, c.script, f.Variable("SCRIPT_NAME"), c.path)
		assert.Equal(t, c.info, f.Variable("PATH_INFO"), c.path)
		assert.EqualValues(t, c.seen, f.Path, c.path)
		assert.EqualValues(t, c.path, f.URI, c.path)
	}
	assert.Equal(t, "the other application: /x", a.whole(t, "/app/deep/x").body)
	assert.Equal(t, "the other application: /x", a.whole(t, "/everywhere/x").body, "from the main server")
	assert.Equal(t, 404, a.get(t, "/apple").StatusCode)
	require.NoError(t, os.WriteFile(a.path("apps/page"), []byte("a file"), 0o644))
	assert.Equal(t, "a file", a.whole(t, "/app/static/page").body, "Alias comes first, as with mod_wsgi")

	addr := fmt.Sprintf("127.0.0.1:%d", port)
	second := newServer("second", "http://"+addr, dialTCP(addr), a.log)
	defer second.client.CloseIdleConnections()
	var f behave.Facts
	second.get(t, "/everywhere/x").into(t, &f)
	assert.Equal(t, "/everywhere", f.Variable("SCRIPT_NAME"), "the virtual host's own wins")
}

// mountedAt is s with an application below a prefix.
func mountedAt(s *server, prefix string) *server {
	m := *s
	m.base += prefix
	return &m
}

func TestApache_SetHandlerTakesTheApplicationOfItsLocation(t *testing.T) {
	t.Parallel()
	a := apacheConf{host: everyApache + `
		<Location /mounted/deep>
		  PillionApp other
		</Location>`}.start(t)
	assert.Equal(t, "the other application: /other/x", a.whole(t, "/other/x").body)
	assert.Equal(t, "the other application: /deep/x", a.whole(t, "/mounted/deep/x").body, "another one at the same mount")
}

func TestApache_HtaccessMayNameAnApplication(t *testing.T) {
	t.Parallel()
	b := apacheConf{allowed: []string{"not allowed here"}, host: `
		DocumentRoot @dir@/apps
		<Directory @dir@/apps>
		  AllowOverride FileInfo AuthConfig
		  Require all granted
		</Directory>
		<Location /loose>
		  SetHandler pillion
		</Location>`}.start(t)
	assert.Equal(t, 500, b.get(t, "/loose").StatusCode)
	b.awaitLog(t, "needs PillionApp")
	htaccess := func(text string) { require.NoError(t, os.WriteFile(b.path("apps/.htaccess"), []byte(text), 0o644)) }
	require.NoError(t, os.WriteFile(b.path("apps/page.go"), []byte("content"), 0o644))
	htaccess("SetHandler pillion\nPillionApp behave\nPillionParam FROM htaccess\nPillionPassAuthorization On")
	f := b.facts(t, "/page.go/more?x", "Authorization", "Basic eA==")
	assert.EqualValues(t, "/page.go/more", f.Path)
	assert.Equal(t, "htaccess", f.Variable("FROM"))
	htaccess("SetHandler pillion\nPillionApp nobody")
	assert.Equal(t, 500, b.get(t, "/page.go").StatusCode)
	b.awaitLog(t, `no application "nobody"`)
	htaccess("PillionReadTimeout 1")
	assert.Equal(t, 500, b.get(t, "/page.go").StatusCode)
	b.awaitLog(t, "PillionReadTimeout not allowed here")
	htaccess("PillionScriptAlias /x behave")
	assert.Equal(t, 500, b.get(t, "/page.go").StatusCode)
	b.awaitLog(t, "PillionScriptAlias not allowed here")
	require.NoError(t, os.Remove(b.path("apps/.htaccess")))
	assert.Equal(t, "content", b.whole(t, "/page.go").body)
}

func TestApache_ParamsReachTheApplicationAndMerge(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		modules: []string{"env"},
		main:    "PillionParam FROM main\nPillionParam MAIN yes",
		host: `
			PillionScriptAlias / behave
			PillionParam FROM host
			PillionParam EMPTY
			SetEnv FROM_SETENV "by SetEnv"
			SetEnv SERVER_NAME spoofed
			SetEnv HTTP_X_SPOOFED spoofed
			<Location /own>
			  PillionParam FROM location
			  PillionParam METHOD "%{REQUEST_METHOD} of %{QUERY_STRING}"
			  PillionParam SERVER_NAME chosen
			</Location>`,
	}.start(t)
	f := a.facts(t, "/facts/x")
	assert.Equal(t, "host", f.Variable("FROM"))
	assert.Equal(t, "yes", f.Variable("MAIN"))
	assert.Equal(t, "by SetEnv", f.Variable("FROM_SETENV"))
	assert.Equal(t, "127.0.0.1", f.Variable("SERVER_NAME"))
	assert.True(t, has(f, "EMPTY"))
	assert.False(t, has(f, "HTTP_X_SPOOFED"))
	assert.Regexp(t, `^Apache`, f.Variable("SERVER_SOFTWARE"))
	f = a.facts(t, "/own/x?a=1")
	assert.Equal(t, "location", f.Variable("FROM"))
	assert.Equal(t, "yes", f.Variable("MAIN"))
	assert.Equal(t, "GET of a=1", f.Variable("METHOD"))
	assert.Equal(t, "chosen", f.Variable("SERVER_NAME"))
}

func TestApache_ReadTimeoutIs504(t *testing.T) {
	a := apacheConf{host: everyApache + `
		PillionScriptAlias /quick behave
		<Location /quick>
		  PillionReadTimeout 1s
		</Location>`}.start(t)
	returnsToBaseline(t, a.server)
	key := newKey()
	assert.Equal(t, 504, a.get(t, "/quick/hold?key="+key).StatusCode)
	assert.Contains(t, a.await(t, key+"/done"), "cancelled: ")
	host := strings.TrimPrefix(a.base, "http://")
	a.awaitLog(t, `timed out, see PillionReadTimeout, request: "GET /quick/hold?key=`+key+` HTTP/1.1", host: "`+host+`"`)

	// A long one is cut.
	assert.Equal(t, 504, a.get(t, "/quick/hold?key="+newKey()+"&"+strings.Repeat("x", 4000)).StatusCode)
	a.awaitLog(t, `xxx...", host: "`+host+`"`)

	// After the head: a cut.
	key = newKey()
	answer := a.get(t, "/quick/hold?send=begin&key="+key)
	assert.Equal(t, 200, answer.StatusCode)
	assert.Error(t, answer.err)
	assert.Contains(t, a.await(t, key+"/done"), "cancelled: ")

	// A client that is slow is not an application that is.
	key = newKey()
	w := a.slowWire(t, fmt.Sprintf("GET /quick/fill?key=%s&n=%d HTTP/1.1\nHost: h\nConnection: close\n\n", key, 8<<20))
	a.await(t, key+"/start")
	stallFor(t, 1500*time.Millisecond, func() int64 { return a.count(t, key) }) // longer than the timeout
	w.widen()
	answer = w.answer("GET")
	require.NoError(t, answer.err)
	assert.Len(t, answer.body, 8<<20)
}

func TestApache_TimeoutIsTheDefaultReadTimeout(t *testing.T) {
	a := apacheConf{main: "Timeout 1"}.start(t)
	assert.Equal(t, 504, a.get(t, "/hold?key="+newKey()).StatusCode)
}

func TestApache_StalledUploadTimesOut(t *testing.T) {
	a := apacheConf{main: "Timeout 1\nPillionReadTimeout 30s"}.start(t)
	returnsToBaseline(t, a.server)
	key := newKey()
	w := a.wire(t, "POST /slow-upload?key="+key+"&first=5 HTTP/1.1\nHost: h\nContent-Length: 100\n\nhello")
	a.await(t, key+"/first")
	a.tell(t, key+"/go")
	assert.Equal(t, 408, w.answer("POST").StatusCode)
	assert.NotEmpty(t, a.await(t, key+"/end"))
}

func TestApache_LimitRequestBodyIsKept(t *testing.T) {
	t.Parallel()
	a := apacheConf{host: everyApache + "LimitRequestBody 1000"}.start(t)
	returnsToBaseline(t, a.server)
	assert.Equal(t, 200, a.do(t, "POST", "/hash", strings.NewReader(strings.Repeat("x", 1000))).StatusCode)
	assert.Equal(t, 413, a.do(t, "POST", "/hash", strings.NewReader(strings.Repeat("x", 1001))).StatusCode)
	w := a.wire(t, "POST /hash HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n")
	w.send("7d0\r\n" + strings.Repeat("x", 2000) + "\r\n0\r\n\r\n")
	assert.Equal(t, 413, w.answer("POST").StatusCode)
	w = a.wire(t, "POST /hash HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\nno number\n")
	assert.Equal(t, 400, w.answer("POST").StatusCode)
}

func TestApache_BodyThatBreaksOffInTheMiddleOfTheAnswerIsACut(t *testing.T) {
	t.Parallel()
	a := apacheConf{host: everyApache + "LimitRequestBody 1000"}.start(t)
	returnsToBaseline(t, a.server)
	for _, rest := range []string{"7d0\r\n" + strings.Repeat("x", 2000) + "\r\n0\r\n\r\n", "no number\r\n"} {
		w := a.wire(t, "POST /echo?flush=1 HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n5\nhello\n")
		res := w.response("POST")
		_, err := io.ReadFull(res.Body, make([]byte, 5))
		require.NoError(t, err)
		w.send(rest)
		_, err = io.ReadAll(res.Body)
		assert.Error(t, err, "httpd's own 413 or 400 must not make it look whole")
	}
}

func TestApache_RepeatedRequestHeadersAreJoined(t *testing.T) {
	t.Parallel()
	a := apacheConf{}.start(t)
	f := a.server.facts(t, "GET /facts/x HTTP/1.1\nHost: h\nX-Many: one\nx-many: two\nX-Bytes: \xe4\xf6\tfc\nConnection: close\n\n")
	assert.Equal(t, []behave.Text{"one, two"}, f.Header["X-Many"])
	assert.Equal(t, []behave.Text{"\xe4\xf6\tfc"}, f.Header["X-Bytes"])
}

func TestApache_RequestTrailersArrive(t *testing.T) {
	t.Parallel()
	a := apacheConf{}.start(t)
	w := a.wire(t, "POST /trailers HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nTrailer: X-A\n\n3\nabc\n0\nX-A: one\nX-B: two\n\n")
	assert.Equal(t, "X-A0 3 <nil>\nX-A: one\r\nX-B: two\r\n", w.answer("POST").body)
}

func TestApache_ErrorDocuments(t *testing.T) {
	t.Parallel()
	a := apacheConf{host: everyApache + `
		PillionScriptAlias /seen behave
		ErrorDocument 404 "httpd's page"
		ErrorDocument 500 /facts/error
		ErrorDocument 403 /facts/forbidden
		<Location /seen>
		  PillionErrorOverride On
		</Location>
		<Location /forbidden>
		  Require all denied
		</Location>`}.start(t)
	returnsToBaseline(t, a.server)
	notFound := behave.Spec{Status: 404, Headers: [][2]string{{"X-Own", "1"}}, Pieces: []string{"the application's page"}}.URL()
	answer := a.whole(t, notFound)
	assert.Equal(t, "the application's page", answer.body)
	assert.Equal(t, "1", answer.Header.Get("X-Own"))
	answer = a.whole(t, "/seen"+notFound)
	assert.Equal(t, 404, answer.StatusCode)
	assert.Equal(t, "httpd's page", answer.body)
	assert.Empty(t, answer.Header.Get("X-Own"))
	assert.Equal(t, 502, a.whole(t, "/seen"+behave.Spec{Status: 502, Size: 1 << 20}.URL()).StatusCode)
	answer = a.whole(t, "/seen"+behave.Spec{Status: 401, Headers: [][2]string{{"Www-Authenticate", "Basic realm=x"}}}.URL())
	assert.Equal(t, "Basic realm=x", answer.Header.Get("Www-Authenticate"))
	assert.Equal(t, "fine", a.whole(t, "/seen"+behave.Spec{Pieces: []string{"fine"}}.URL()).body)

	// An application as ErrorDocument: of another application's panic, and of httpd's refusal.
	for path, status := range map[string]int{"/panic?x=1": 500, "/forbidden/x": 403} {
		answer = a.get(t, path)
		assert.Equal(t, status, answer.StatusCode)
		var f behave.Facts
		answer.into(t, &f)
		assert.EqualValues(t, "GET", f.Method)
		assert.Equal(t, fmt.Sprint(status), f.Variable("REDIRECT_STATUS"))
		assert.Equal(t, strings.Split(path, "?")[0], f.Variable("REDIRECT_URL"))
	}
}

func TestApache_SettingsReachTheRuntime(t *testing.T) {
	t.Setenv("FROM_OUTSIDE", "outside")
	a := apacheConf{main: `
		PillionEnv FROM_CONF "a value"
		PillionEnv EMPTY
		PillionGoMaxProcs 3
		PillionGCPercent 70
		PillionMemoryLimit 512M`}.start(t)
	r := a.runtime(t, "env=FROM_CONF&env=EMPTY&env=FROM_OUTSIDE&env=NONE")
	assert.Equal(t, map[string]string{"FROM_CONF": "a value", "EMPTY": "", "FROM_OUTSIDE": "outside"}, r.Env)
	assert.Equal(t, 3, r.GOMAXPROCS)
	assert.Equal(t, 70, r.GCPercent)
	assert.EqualValues(t, 512<<20, r.MemoryLimit)
	b := apacheConf{main: "PillionGCPercent Off"}.start(t)
	assert.Equal(t, -1, b.runtime(t, "").GCPercent)
	c := apacheConf{mpm: "prefork"}.start(t)
	assert.LessOrEqual(t, c.runtime(t, "").GOMAXPROCS, 2, "one request at a time needs no more")
}

func TestApache_AccessLogHasTheNotes(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		main: `LogFormat "%U [%{pillion-app}n] [%{pillion-status}n] [%{pillion-time}n] %s" own`,
		host: everyApache + `
			CustomLog @dir@/own.log own
			Alias /static @dir@/apps
			<Location /hold>
			  PillionReadTimeout 200ms
			</Location>`,
	}.start(t)
	a.whole(t, "/unread?status=418")
	a.get(t, "/static")
	a.get(t, "/panic")
	a.get(t, "/hold?key="+newKey())
	a.get(t, "/panic?n=1&flush=1")
	var log string
	eventually(t, "five lines", func() bool { log = a.read("own.log"); return strings.Count(log, "\n") == 5 })
	assert.Regexp(t, `(?m)^/unread \[behave\] \[418\] \[\d+\.\d{3}\] 418$`, log)
	assert.Regexp(t, `(?m)^/static \[-\] \[-\] \[-\] \d+$`, log)
	assert.Regexp(t, `(?m)^/panic \[behave\] \[-\] \[\d+\.\d{3}\] 500$`, log)
	assert.Regexp(t, `(?m)^/hold \[behave\] \[-\] \[\d+\.\d{3}\] 504$`, log)
	assert.Regexp(t, `(?m)^/panic \[behave\] \[200\] \[\d+\.\d{3}\] 200$`, log, "cut")
}

func TestApache_LogLevelIsTheErrorLogs(t *testing.T) {
	t.Parallel()
	a := apacheConf{level: "info pillion:warn"}.start(t)
	a.get(t, "/log?level=INFO&msg=quiet+message")
	a.get(t, "/log?level=WARN&msg=loud+message")
	a.awaitLog(t, "loud message")
	assert.NotContains(t, a.log(), "quiet message")
}

func TestApache_LongLogMessageIsWhole(t *testing.T) {
	t.Parallel()
	a := apacheConf{main: "LimitRequestLine 20000"}.start(t)
	long := strings.Repeat("abcdefgh ", 1000)
	a.get(t, "/log?level=ERROR&msg="+url.QueryEscape(long+"end of it"))
	log := a.awaitLog(t, "end of it")
	assert.GreaterOrEqual(t, strings.Count(log, "abcdefgh"), 1000)
}

func TestApache_ClientThatLeavesIsNoticedWhileTheApplicationComputes(t *testing.T) {
	t.Parallel()
	a := apacheConf{}.start(t)
	key := newKey()
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", a.base+"/hold?read=1&key="+key, strings.NewReader("body"))
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() { _, err := a.client.Do(req); failed <- err }()
	a.await(t, key+"/in")
	leave()
	assert.Error(t, <-failed)
	left := time.Now()
	assert.Contains(t, a.await(t, key+"/done"), "cancelled: ")
	assert.Less(t, time.Since(left), patience, "a quarter of a second, by docs/apache.md, and what a busy machine takes")

	// Half of the way closed is as good as all of it, once the body is there.
	key = newKey()
	w := a.wire(t, "POST /hold?read=1&key="+key+" HTTP/1.1\nHost: h\nContent-Length: 4\n\nbody")
	a.await(t, key+"/in")
	require.NoError(t, w.Conn.(interface{ CloseWrite() error }).CloseWrite())
	assert.Contains(t, a.await(t, key+"/done"), "cancelled: ")
}

func TestApache_AnswerToAnUploadIsSentBeforeTheRestHasCome(t *testing.T) {
	t.Parallel()
	a := apacheConf{}.start(t)
	pr, pw := io.Pipe()
	defer pw.Close()
	go pw.Write([]byte("a beginning"))
	req, err := http.NewRequest("POST", a.base+"/unread?status=200", pr)
	require.NoError(t, err)
	req.ContentLength = 1 << 20
	begin := time.Now()
	assert.Equal(t, "not read, of 1048576", a.send(t, req).body)
	assert.Less(t, time.Since(begin), patience, "httpd would wait for the body for its Timeout")
}
