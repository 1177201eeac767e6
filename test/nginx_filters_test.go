package test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func TestNginx_AuthRequestAsksTheApplication(t *testing.T) {
	n := conf{server: `
		location /open/ { auth_request /allow; auth_request_set $who $sent_http_x_who; add_header X-Who $who; pillion_pass behave; pillion_script_name /open; }
		location /shut/ { auth_request /deny; pillion_pass behave; pillion_script_name /shut; }
		location /stopped/ { auth_request /broken; pillion_pass behave; pillion_script_name /stopped; }
		location = /allow { internal; rewrite ^ /facts/allow break; pillion_pass behave; }
		location = /deny { internal; rewrite ^ /unread?status=403 break; pillion_pass behave; }
		location = /broken { internal; rewrite ^ /panic break; pillion_pass behave; }
		location / { pillion_pass behave; }`}.start(t)
	returnsToBaseline(t, n.server)
	var f behave.Facts
	n.do(t, "POST", "/open/facts/x", strings.NewReader("the body")).into(t, &f)
	assert.EqualValues(t, "the body", f.Body, "the subrequest has not taken it")
	assert.Equal(t, 403, n.do(t, "POST", "/shut/facts/x", strings.NewReader("the body")).StatusCode)
	assert.Equal(t, 500, n.get(t, "/stopped/facts/x").StatusCode)
	for range 50 {
		assert.Equal(t, 200, n.get(t, "/open/facts/x").StatusCode)
	}
}

func TestNginx_LimitReqLimits(t *testing.T) {
	n := conf{
		http:   `limit_req_zone $server_addr zone=one:1m rate=1r/m; limit_req_status 429;`,
		server: `location / { limit_req zone=one; pillion_pass behave; }`,
	}.start(t)
	assert.Equal(t, 200, n.get(t, "/facts/x").StatusCode)
	assert.Equal(t, 429, n.get(t, "/facts/x").StatusCode)
}

func TestNginx_GzipCompresses(t *testing.T) {
	n := conf{server: `location / { gzip on; gzip_types *; gzip_min_length 1; pillion_pass behave; }`}.start(t)
	returnsToBaseline(t, n.server)
	for _, size := range []int64{10, 5000, 5 << 20} {
		a := n.whole(t, fmt.Sprintf("/bytes?n=%d&seed=z", size), "Accept-Encoding", "gzip")
		require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
		r, err := gzip.NewReader(strings.NewReader(a.body))
		require.NoError(t, err)
		plain, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, behave.PatternHash("z", size), hash(string(plain)))
	}

	// A flush goes through the compressor at once.
	key := newKey()
	req, err := http.NewRequest("GET", fmt.Sprintf("%s/pieces?key=%s&n=5", n.base, key), nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := n.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	r, err := gzip.NewReader(res.Body)
	require.NoError(t, err)
	lines := bufio.NewReader(r)
	for i := range 5 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("piece %d\n", i), line)
		n.tell(t, fmt.Sprintf("%s/%d", key, i))
	}
	_, err = lines.ReadByte()
	assert.Equal(t, io.EOF, err)

	// A cut is a cut, compressed or not.
	a := n.get(t, "/panic?n=100000&flush=1", "Accept-Encoding", "gzip")
	assert.Error(t, a.err)
}

func TestNginx_SubFilterReplaces(t *testing.T) {
	n := conf{server: `location / { sub_filter old new; sub_filter_once off; sub_filter_types *; pillion_pass behave; }`}.start(t)
	returnsToBaseline(t, n.server)
	a := n.whole(t, behave.Spec{Pieces: []string{"an old ", "o", "l", "d word, ol", "d"}, Flush: true}.URL())
	assert.Equal(t, "an new new word, new", a.body)
	a = n.whole(t, behave.Spec{Pieces: []string{strings.Repeat("old ", 1000)}}.URL())
	assert.Equal(t, strings.Repeat("new ", 1000), a.body)
}

func TestNginx_XAccelRedirectGoesElsewhere(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /files/ { internal; alias @dir@/apps/; }
		location /again/ { internal; pillion_pass behave; }
		location @named { return 200 "named, $request_method"; }
		location /reading { pillion_pass behave; }`}.start(t)
	returnsToBaseline(t, n.server)
	content := strings.Repeat("file ", 100000)
	require.NoError(t, os.WriteFile(n.path("apps/file.txt"), []byte(content), 0o644))

	to := func(where string) string {
		return behave.Spec{Headers: [][2]string{{"X-Accel-Redirect", where}, {"Set-Cookie", "a=1"}, {"Content-Type", "text/x-mine"}},
			Pieces: []string{"not sent"}}.URL()
	}
	a := n.whole(t, to("/files/file.txt"))
	assert.Equal(t, 200, a.StatusCode)
	assert.Equal(t, content, a.body)
	assert.Equal(t, "a=1", a.Header.Get("Set-Cookie"))
	assert.Equal(t, "text/x-mine", a.Header.Get("Content-Type"))
	assert.Empty(t, a.Header.Get("X-Accel-Redirect"))
	assert.EqualValues(t, len(content), a.ContentLength)

	a = n.do(t, "POST", to("@named"), strings.NewReader("body"))
	assert.Contains(t, a.body, "named")
	var f behave.Facts
	n.do(t, "POST", to("/again/x?y=1"), strings.NewReader("body")).into(t, &f)
	assert.EqualValues(t, "GET", f.Method)
	assert.EqualValues(t, "/again/x?y=1", f.URI)
	assert.Equal(t, 404, n.get(t, "/files/file.txt").StatusCode, "internal")
	assert.Equal(t, 404, n.get(t, to("/files/none.txt")).StatusCode)

	// A large body of the redirecting response is not waited for.
	big := behave.Spec{Headers: [][2]string{{"X-Accel-Redirect", "/files/file.txt"}}, Size: 10 << 20}.URL()
	assert.Equal(t, content, n.whole(t, big).body)
}

func TestNginx_SSIIncludesApplications(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /ssi/ { ssi on; ssi_types *; pillion_pass behave; pillion_script_name /ssi; }
		location /other { pillion_pass other; }`}.start(t)
	returnsToBaseline(t, n.server)
	page := behave.Spec{Headers: [][2]string{{"Content-Type", "text/html"}}, Pieces: []string{
		`[<!--# include virtual="/other/a" -->]`, `[<!--# include virtual="/bytes?n=100000&seed=i" -->]`, `[<!--# include virtual="/other/b" -->]`,
	}}.URL()
	for _, method := range []string{"GET", "POST"} {
		var body io.Reader
		if method == "POST" {
			body = strings.NewReader("the page's body")
		}
		a := n.do(t, method, "/ssi"+page, body)
		require.NoError(t, a.err)
		var included strings.Builder
		io.Copy(&included, behave.Pattern("i", 100000))
		assert.Equal(t, "[the other application: /other/a]["+included.String()+"][the other application: /other/b]", a.body, method)
	}

	// What an include says of its request.
	a := n.whole(t, "/ssi"+behave.Spec{Headers: [][2]string{{"Content-Type", "text/html"}}, Pieces: []string{
		`<!--# include virtual="/facts/included?q=1" -->`}}.URL(), "X-Main", "yes")
	var f behave.Facts
	a.into(t, &f)
	assert.EqualValues(t, "/facts/included", f.Path)
	assert.EqualValues(t, "q=1", f.Query)
	assert.Equal(t, []behave.Text{"yes"}, f.Header["X-Main"])

	// An include that fails spoils only itself.
	a = n.whole(t, "/ssi"+behave.Spec{Headers: [][2]string{{"Content-Type", "text/html"}}, Pieces: []string{
		`[`, `<!--# include virtual="/panic" -->`, `]`}}.URL())
	assert.True(t, strings.HasPrefix(a.body, "[") && strings.HasSuffix(a.body, "]"), a.body)
}

func TestNginx_InternalLocationIsNotFoundFromOutside(t *testing.T) {
	n := conf{server: `location / { internal; pillion_pass behave; }`}.start(t)
	assert.Equal(t, 404, n.get(t, "/facts/x").StatusCode)
}

func TestNginx_MirrorReachesTheApplication(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /both/ { mirror /copy; pillion_pass behave; pillion_script_name /both; }
		location = /copy { internal; rewrite ^ /tell?key=mirrored break; pillion_pass behave; }`}.start(t)
	returnsToBaseline(t, n.server)
	var f behave.Facts
	n.do(t, "POST", "/both/facts/x", strings.NewReader("body")).into(t, &f)
	assert.EqualValues(t, "body", f.Body)
	n.await(t, "mirrored")
}

func TestNginx_TLS(t *testing.T) {
	authority := newAuthority(t)
	port := freePort(t)
	n := conf{servers: fmt.Sprintf(`
		server {
			listen 127.0.0.1:%d ssl http2;
			%s
			%s
		}`, port, authority.nginx(), everything)}.start(t)
	returnsToBaseline(t, n.server)
	for _, h2 := range []bool{false, true} {
		client := newServer("tls", fmt.Sprintf("https://localhost:%d", port), dialTCP(fmt.Sprintf("127.0.0.1:%d", port)), n.log)
		transport := client.client.Transport.(*http.Transport)
		transport.TLSClientConfig = authority.clientConfig()
		transport.ForceAttemptHTTP2 = h2
		var f behave.Facts
		a := client.get(t, "/facts/a%2Fb?q")
		a.into(t, &f)
		assert.Equal(t, h2, a.ProtoMajor == 2)
		assert.True(t, f.TLS)
		assert.Equal(t, "on", f.Variable("HTTPS"))
		assert.Equal(t, "https", f.Variable("REQUEST_SCHEME"))
		assert.Equal(t, fmt.Sprint(port), f.Variable("SERVER_PORT"))
		assert.Regexp(t, `^TLSv1`, f.Variable("SSL_PROTOCOL"))
		assert.Equal(t, map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[h2], string(f.Proto))
		assert.EqualValues(t, "/facts/a%2Fb?q", f.URI)

		const size = 4 << 20
		assert.Equal(t, behave.PatternHash("tls", size), hash(client.whole(t, fmt.Sprintf("/bytes?n=%d&seed=tls", size)).body))
		echo := client.do(t, "POST", "/echo", behave.Pattern("tls", size))
		require.NoError(t, echo.err)
		assert.Equal(t, behave.PatternHash("tls", size), hash(echo.body))
		assert.Error(t, client.get(t, "/panic?n=10&flush=1").err)
		client.client.CloseIdleConnections()
	}
}

func TestNginx_HTTP2StreamsAreCutAlone(t *testing.T) {
	n := conf{listen: "http2"}.start(t)
	transport := n.client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	returnsToBaseline(t, n.server)
	var dials atomic.Int64
	dial := n.dial
	transport.DialContext = nil
	transport.Dial = func(_, _ string) (net.Conn, error) { dials.Add(1); return dial() }

	key := newKey()
	held := make(chan answer, 1)
	go func() {
		a, err := n.try("GET", "/hold?key="+key, nil)
		assert.NoError(t, err)
		held <- a
	}()
	n.await(t, key+"/in")
	for range 10 {
		assert.Error(t, n.get(t, "/panic?n=10&flush=1").err)
	}
	n.tell(t, key+"/go")
	assert.Equal(t, "held", (<-held).body)
	assert.LessOrEqual(t, dials.Load(), int64(2), "a cut stream takes no other one with it")
}

func TestNginx_LimitRateAndSlowClientsHoldNobodyUp(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /slow/ { limit_rate 100k; pillion_pass behave; pillion_script_name /slow; }`}.start(t)
	returnsToBaseline(t, n.server)
	start := time.Now()
	a := n.whole(t, "/slow/bytes?n=150000&seed=l")
	assert.Equal(t, behave.PatternHash("l", 150000), hash(a.body))
	assert.Greater(t, time.Since(start), 300*time.Millisecond)
	a = n.whole(t, behave.Spec{Headers: [][2]string{{"X-Accel-Limit-Rate", "100000"}}, Size: 150000}.URL())
	assert.Len(t, a.body, 150000)
}
