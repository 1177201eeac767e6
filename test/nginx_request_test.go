package test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func (n *nginx) facts(t *testing.T, path string, headers ...string) (f behave.Facts) {
	t.Helper()
	n.get(t, path, headers...).into(t, &f)
	return f
}

func TestNginx_ParamsReachTheApplication(t *testing.T) {
	n := conf{
		http: `
			pillion_param FROM_HTTP http;
			map $arg_empty $maybe { "" ""; default set; }`,
		server: `
			location / { pillion_pass behave; }
			location /own/ {
				pillion_pass behave;
				pillion_param OWN "$request_method of $arg_a";
				pillion_param MAYBE $maybe if_not_empty;
				pillion_param ALWAYS $maybe;
				pillion_param SERVER_NAME chosen;
				pillion_param HTTP_X_ADDED "added $arg_a";
				pillion_param HTTP_X_REMOVED "";
			}`,
	}.start(t)
	f := n.facts(t, "/facts/x")
	assert.Equal(t, "http", f.Variable("FROM_HTTP"), "inherited")

	f = n.facts(t, "/own/x?a=1", "X-Removed", "by the client", "X-Added", "by the client")
	assert.Empty(t, f.Variable("FROM_HTTP"), "inherited only where there are none")
	assert.Equal(t, "GET of 1", f.Variable("OWN"))
	var names []string
	for _, p := range f.Environ {
		names = append(names, string(p[0]))
	}
	assert.NotContains(t, names, "MAYBE")
	assert.Contains(t, names, "ALWAYS")
	assert.Equal(t, "chosen", f.Variable("SERVER_NAME"))
	assert.Equal(t, []behave.Text{"added 1"}, f.Header["X-Added"])
	assert.NotContains(t, f.Header, "X-Removed")
	f = n.facts(t, "/own/x?empty=no")
	assert.Equal(t, "set", f.Variable("MAYBE"))
	assert.Regexp(t, `^nginx/\d`, f.Variable("SERVER_SOFTWARE"))
}

func TestNginx_ScriptNameSplitsThePath(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /app/ { pillion_pass behave; pillion_script_name /app; }
		location /slash/ { pillion_pass behave; pillion_script_name /slash/; }
		location = /exact { pillion_pass behave; pillion_script_name /exact; }
		location /elsewhere { pillion_pass behave; pillion_script_name /not/here; }`}.start(t)
	for _, c := range []struct{ path, script, info, seen string }{
		{"/app/facts/a%2Fb", "/app", "/facts/a/b", "/facts/a/b"},
		{"/%61pp/x", "/app", "/x", "/x"},
		{"/app/", "/app", "/", "/"},
		{"/slash/x", "/slash", "/x", "/x"},
		{"/exact", "/exact", "", "/"},
		{"/elsewhere/x", "", "/elsewhere/x", "/elsewhere/x"},
		{"/x", "", "/x", "/x"},
	} {
		f := n.facts(t, c.path)
		assert.Equal(t, c.script, f.Variable("SCRIPT_NAME"), c.path)
		assert.Equal(t, c.info, f.Variable("PATH_INFO"), c.path)
		assert.EqualValues(t, c.seen, f.Path, c.path)
		assert.EqualValues(t, c.path, f.URI, c.path)
	}
	assert.Equal(t, 301, n.get(t, "/app").StatusCode, "as proxy_pass does")
}

func TestNginx_PassTakesVariables(t *testing.T) {
	n := conf{server: `location ~ ^/to/(?<name>[^/]*) { pillion_pass $name; }`}.start(t)
	assert.Equal(t, 200, n.get(t, "/to/behave").StatusCode)
	assert.Equal(t, "the other application: /to/other", n.whole(t, "/to/other").body)
	assert.Equal(t, 404, n.get(t, "/to/nobody").StatusCode)
	n.awaitLog(t, `"nobody"`)
	assert.Equal(t, 404, n.get(t, "/to/").StatusCode)
}

func TestNginx_RequestBufferingSpillsToDisk(t *testing.T) {
	const size = 8 << 20
	for _, buffering := range []string{"on", "off"} {
		n := conf{server: `
			location / { pillion_pass behave; pillion_request_buffering ` + buffering + `; client_body_buffer_size 16k; }`}.start(t)
		returnsToBaseline(t, n.server)
		for _, n1 := range []int64{0, 1, 16 << 10, 16<<10 + 1, 100000, size} {
			var sum behave.Sum
			n.do(t, "POST", "/hash", io.LimitReader(behave.Pattern("b", n1), n1)).into(t, &sum)
			assert.Equal(t, behave.PatternHash("b", n1), sum.SHA256)
			req, err := http.NewRequest("PUT", n.base+"/hash", behave.Pattern("b", n1))
			require.NoError(t, err)
			req.ContentLength = n1
			if n1 == 0 {
				req.Body = http.NoBody
			}
			n.send(t, req).into(t, &sum)
			assert.Equal(t, behave.Sum{Bytes: n1, SHA256: behave.PatternHash("b", n1), Length: n1}, sum)
		}
		assert.Equal(t, buffering == "on", strings.Contains(n.log(), "buffered to a temporary file"))
	}
}

func TestNginx_HandlerSeesABufferedBodyOnlyWhenItIsWhole(t *testing.T) {
	n := conf{server: `location / { pillion_pass behave; pillion_request_buffering on; }`}.start(t)
	key := newKey()
	w := n.wire(t, "POST /hold?key="+key+" HTTP/1.1\nHost: h\nContent-Length: 10\n\nhello")
	assert.Equal(t, 200, n.get(t, "/facts/x").StatusCode)
	eventually(t, "only this request runs", func() bool { return n.runtime(t, "").Running == 1 })
	w.send("world")
	n.await(t, key+"/in")
	n.tell(t, key+"/go")
	assert.Equal(t, "held", w.answer("POST").body)
}

func TestNginx_ReadTimeoutIs504(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /quick/ { pillion_pass behave; pillion_script_name /quick; pillion_read_timeout 1s; }`}.start(t)
	returnsToBaseline(t, n.server)
	key := newKey()
	assert.Equal(t, 504, n.get(t, "/quick/hold?key="+key).StatusCode)
	assert.Contains(t, n.await(t, key+"/done"), "cancelled: ")
	n.awaitLog(t, "timed out")

	// After the head: a cut.
	key = newKey()
	a := n.get(t, "/quick/hold?send=begin&key="+key)
	assert.Equal(t, 200, a.StatusCode)
	assert.Error(t, a.err)
	assert.Contains(t, n.await(t, key+"/done"), "cancelled: ")

	// A client that is slow is not an application that is.
	key = newKey()
	w := n.slowWire(t, fmt.Sprintf("GET /quick/fill?key=%s&n=%d HTTP/1.1\nHost: h\nConnection: close\n\n", key, 8<<20))
	n.await(t, key+"/start")
	stallFor(t, 1500*time.Millisecond, func() int64 { return n.count(t, key) }) // longer than the timeout
	w.widen()
	a = w.answer("GET")
	require.NoError(t, a.err)
	assert.Len(t, a.body, 8<<20)
}

func TestNginx_MaxRequestsInFlightIs503(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /few/ { pillion_pass behave; pillion_script_name /few; pillion_max_requests_in_flight 2; }`}.start(t)
	returnsToBaseline(t, n.server)
	key := newKey()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			a, err := n.try("GET", "/few/cross/x?meet=3&key="+key, nil)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, a.StatusCode)
			}
		})
	}
	eventually(t, "two are in", func() bool { return n.count(t, key+"/met") == 2 })
	a := n.get(t, "/few/facts/x")
	assert.Equal(t, 503, a.StatusCode)
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
	assert.Equal(t, 200, n.get(t, "/facts/x").StatusCode, "another location")
	n.whole(t, "/cross/x?meet=3&key="+key)
	wg.Wait()
	assert.Equal(t, 200, n.get(t, "/few/facts/x").StatusCode)
	n.awaitLog(t, "pillion_max_requests_in_flight")
}

func TestNginx_IgnoreClientAbortLetsHandlersGoOn(t *testing.T) {
	n := conf{server: everything + `
		location /on/ { pillion_pass behave; pillion_script_name /on; pillion_ignore_client_abort on; }`}.start(t)
	returnsToBaseline(t, n.server)
	hold := func(path string) (*wire, string) {
		key := newKey()
		w := n.wire(t, "GET "+path+"?key="+key+" HTTP/1.1\nHost: h\n\n")
		n.await(t, key+"/in")
		return w, key
	}
	goesOn, key := hold("/on/hold")
	ends, other := hold("/hold")
	goesOn.Close()
	ends.Close()
	// nginx has been told of the ends in their order.
	assert.Contains(t, n.await(t, other+"/done"), "cancelled: ")
	n.tell(t, key+"/go")
	assert.Equal(t, "went on", n.await(t, key+"/done"))
}

func TestNginx_InterceptErrorsShowsErrorPages(t *testing.T) {
	n := conf{server: `
		error_page 404 /page404;
		error_page 500 502 503 504 =200 @sorry;
		location / { pillion_pass behave; }
		location /seen/ { pillion_pass behave; pillion_script_name /seen; pillion_intercept_errors on; }
		location = /page404 { return 404 "nginx's page"; }
		location @sorry { return 200 "sorry"; }`}.start(t)
	returnsToBaseline(t, n.server)
	notFound := behave.Spec{Status: 404, Pieces: []string{"the application's page"}}.URL()
	assert.Equal(t, "the application's page", n.whole(t, notFound).body)
	a := n.whole(t, "/seen"+notFound)
	assert.Equal(t, 404, a.StatusCode)
	assert.Equal(t, "nginx's page", a.body)
	assert.Equal(t, "sorry", n.whole(t, "/seen"+behave.Spec{Status: 502, Size: 1 << 20}.URL()).body)
	assert.Equal(t, "sorry", n.whole(t, "/panic").body, "what nginx itself makes an error page of")
	assert.Equal(t, "piece", n.whole(t, "/seen"+behave.Spec{Status: 410, Pieces: []string{"piece"}}.URL()).body, "no page for it")
	a = n.whole(t, "/seen"+behave.Spec{Status: 401, Headers: [][2]string{{"Www-Authenticate", "Basic realm=x"}}}.URL())
	assert.Equal(t, "Basic realm=x", a.Header.Get("Www-Authenticate"))
}

func TestNginx_ErrorPageMayBeAnApplication(t *testing.T) {
	n := conf{server: `
		error_page 404 /facts/error;
		location / { root /nonexistent; }
		location /facts/ { pillion_pass behave; }
		location /fallback/ { try_files /none @app; }
		location @app { pillion_pass behave; }`, allowed: []string{`/nonexistent`}}.start(t)
	a := n.get(t, "/gone?x=1")
	assert.Equal(t, 404, a.StatusCode)
	var f behave.Facts
	a.into(t, &f)
	assert.EqualValues(t, "GET", f.Method)
	f = n.facts(t, "/fallback/a%2Fb?q")
	assert.EqualValues(t, "/fallback/a%2Fb?q", f.URI)
}

func TestNginx_HideHeader(t *testing.T) {
	n := conf{
		http: `pillion_hide_header X-Everywhere;`,
		server: `
			location / { pillion_pass behave; }
			location /own/ { pillion_pass behave; pillion_script_name /own; pillion_hide_header x-secret; pillion_hide_header Content-Type; }`,
	}.start(t)
	spec := behave.Spec{Headers: [][2]string{{"X-Everywhere", "1"}, {"X-Secret", "2"}, {"X-Shown", "3"}}, Pieces: []string{"x"}}.URL()
	a := n.whole(t, spec)
	assert.Empty(t, a.Header.Get("X-Everywhere"))
	assert.Equal(t, "2", a.Header.Get("X-Secret"))
	a = n.whole(t, "/own"+spec)
	assert.Equal(t, "1", a.Header.Get("X-Everywhere"), "inherited only where there are none")
	assert.Empty(t, a.Header.Get("X-Secret"))
	assert.Equal(t, "3", a.Header.Get("X-Shown"))
}

func TestNginx_SettingsReachTheRuntime(t *testing.T) {
	t.Setenv("FROM_OUTSIDE", "outside")
	n := conf{http: `
		pillion_env FROM_CONF "a value";
		pillion_env SHORT=form;
		pillion_env FROM_OUTSIDE;
		pillion_gomaxprocs 3;
		pillion_gc_percent 70;
		pillion_memory_limit 512m;`}.start(t)
	r := n.runtime(t, "env=FROM_CONF&env=SHORT&env=FROM_OUTSIDE&env=HOME")
	assert.Equal(t, map[string]string{"FROM_CONF": "a value", "SHORT": "form", "FROM_OUTSIDE": "outside"}, r.Env, "and nginx's cleaned environment")
	assert.Equal(t, 3, r.GOMAXPROCS)
	assert.Equal(t, 70, r.GCPercent)
	assert.EqualValues(t, 512<<20, r.MemoryLimit)
	n2 := conf{http: `pillion_gc_percent off;`}.start(t)
	assert.Equal(t, -1, n2.runtime(t, "").GCPercent)
	n3 := conf{}.start(t)
	assert.Greater(t, n3.runtime(t, "").GCPercent, 100, "a small heap")
	n4 := conf{http: "pillion_env GOGC=60;"}.start(t)
	assert.Equal(t, 60, n4.runtime(t, "").GCPercent, "from the environment")
}

func TestNginx_BufferSizeIsTheCreditOfARequest(t *testing.T) {
	for _, size := range []string{"1", "100", "1m"} {
		n := conf{server: `location / { pillion_pass behave; } location /small/ { pillion_script_name /small; pillion_pass behave; pillion_buffer_size ` + size + `; }`}.start(t)
		returnsToBaseline(t, n.server)
		a := n.whole(t, "/small/bytes?n=20000&seed=s")
		assert.Equal(t, behave.PatternHash("s", 20000), hash(a.body), size)
		var sum behave.Sum
		n.do(t, "POST", "/small/hash", behave.Pattern("s", 20000)).into(t, &sum)
		assert.Equal(t, behave.PatternHash("s", 20000), sum.SHA256, size)
	}
}

func TestNginx_AccessLogHasTheVariables(t *testing.T) {
	n := conf{
		http: `log_format own '$uri [$pillion_app] [$pillion_status] [$pillion_time] $status';`,
		server: `
			access_log @dir@/own.log own;
			location / { pillion_pass behave; }
			location /static { return 200 static; }
			location /late/ { pillion_pass behave; pillion_script_name /late; pillion_read_timeout 200ms; }
			location /seen/ { pillion_pass behave; pillion_script_name /seen; pillion_intercept_errors on; error_page 418 =200 /static; }`,
	}.start(t)
	n.whole(t, "/unread?status=418")
	n.whole(t, "/static")
	n.whole(t, "/seen/unread?status=418")
	n.get(t, "/panic")
	n.get(t, "/late/hold?key="+newKey())
	n.get(t, "/panic?n=1&flush=1")
	var log string
	eventually(t, "six lines", func() bool { log = n.read("own.log"); return strings.Count(log, "\n") == 6 })
	assert.Regexp(t, `(?m)^/unread \[behave\] \[418\] \[\d+\.\d{3}\] 418$`, log)
	assert.Regexp(t, `(?m)^/static \[-?\] \[-?\] \[-?\] 200$`, log)
	assert.Regexp(t, `(?m)^/static \[behave\] \[418\] \[\d+\.\d{3}\] 200$`, log)
	assert.Regexp(t, `(?m)^/panic \[behave\] \[500\] \[\d+\.\d{3}\] 500$`, log)
	assert.Regexp(t, `(?m)^/late/hold \[behave\] \[504\] \[\d+\.\d{3}\] 504$`, log)
	assert.Regexp(t, `(?m)^/panic \[behave\] \[200\] \[\d+\.\d{3}\] 200$`, log, "cut")
}

func TestNginx_LogLevelIsTheErrorLogs(t *testing.T) {
	n := conf{level: "warn"}.start(t)
	n.get(t, "/log?level=INFO&msg=quiet+message")
	n.get(t, "/log?level=WARN&msg=loud+message")
	n.awaitLog(t, "loud message")
	assert.NotContains(t, n.log(), "quiet message")
}

func TestNginx_LongLogMessageIsWhole(t *testing.T) {
	n := conf{}.start(t)
	long := strings.Repeat("abcdefgh ", 400)
	n.get(t, "/log?level=ERROR&msg="+url.QueryEscape(long+"end of it"))
	log := n.awaitLog(t, "end of it")
	assert.GreaterOrEqual(t, strings.Count(log, "abcdefgh"), 400)
}

func TestNginx_ClientBodyLimitIsKept(t *testing.T) {
	n := conf{server: `location / { client_max_body_size 1000; pillion_pass behave; }`, allowed: nil}.start(t)
	returnsToBaseline(t, n.server)
	assert.Equal(t, 413, n.do(t, "POST", "/hash", strings.NewReader(strings.Repeat("x", 2000))).StatusCode)
	a, err := n.try("POST", "/hash", io.LimitReader(behave.Pattern("x", 200000), 200000)) // chunked
	if err == nil {
		assert.GreaterOrEqual(t, a.StatusCode, 400)
	}
}

func TestNginx_LimitExceptAndIfHaveTheirApplication(t *testing.T) {
	n := conf{server: `
		location / {
			pillion_pass behave;
			if ($arg_to = other) { pillion_pass other; }
			limit_except GET POST { deny all; }
		}`, allowed: nil}.start(t)
	assert.Equal(t, 200, n.get(t, "/facts/x").StatusCode)
	assert.Equal(t, "the other application: /x", n.whole(t, "/x?to=other").body)
	assert.Equal(t, 403, n.do(t, "DELETE", "/facts/x", nil).StatusCode)
}

// uploads that stop half way: nginx's own timeout ends them.
func TestNginx_StalledUploadTimesOut(t *testing.T) {
	n := conf{server: everything + "location = /slow-upload { client_body_timeout 1s; pillion_pass behave; }"}.start(t)
	returnsToBaseline(t, n.server)
	key := newKey()
	w := n.wire(t, "POST /slow-upload?key="+key+"&first=5 HTTP/1.1\nHost: h\nContent-Length: 100\n\nhello")
	n.await(t, key+"/first")
	n.tell(t, key+"/go")
	a, _ := w.rest()
	assert.Empty(t, a)
	assert.NotEmpty(t, n.await(t, key+"/end"))
}

func TestNginx_TemporaryFilesAreGone(t *testing.T) {
	n := conf{server: `location / { pillion_pass behave; pillion_request_buffering on; client_body_buffer_size 16k; }`}.start(t)
	n.do(t, "POST", "/hash", behave.Pattern("x", 1<<20))
	eventually(t, "no temporary file", func() bool {
		var files int
		entries, _ := os.ReadDir(n.path("temp-body"))
		for _, e := range entries {
			if !e.IsDir() {
				files++
			}
		}
		return files == 0
	})
}
