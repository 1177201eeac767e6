// Apache's other modules with this one.

package test

import (
	"bufio"
	"compress/gzip"
	"crypto/tls"
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

func TestApache_BasicAuthenticationAndAccessControl(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		modules: []string{"authn_core", "authn_file", "auth_basic", "authz_user", "authz_host"},
		host: everyApache + `
			PillionScriptAlias /closed behave
			<Location /closed>
			  AuthType Basic
			  AuthName closed
			  AuthUserFile @dir@/users
			  Require user gopher
			</Location>
			<Location /closed/told>
			  PillionPassAuthorization On
			</Location>
			<Location /untold>
			  PillionPassAuthorization Off
			</Location>
			<Location /forbidden>
			  Require ip 192.0.2.1
			</Location>`,
	}.start(t)
	returnsToBaseline(t, a.server)
	// The hash of "secret", by htpasswd -s.
	require.NoError(t, os.WriteFile(a.path("users"), []byte("gopher:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o644))
	assert.Equal(t, 401, a.get(t, "/closed/x").StatusCode)
	basic := "Basic Z29waGVyOnNlY3JldA=="
	f := a.facts(t, "/closed/x", "Authorization", basic)
	assert.Equal(t, "gopher", f.Variable("REMOTE_USER"))
	assert.Equal(t, "Basic", f.Variable("AUTH_TYPE"))
	assert.NotContains(t, f.Header, "Authorization", "httpd has looked at it")
	assert.Equal(t, []behave.Text{behave.Text(basic)}, a.facts(t, "/closed/told/x", "Authorization", basic).Header["Authorization"])
	assert.Equal(t, []behave.Text{"Bearer t"}, a.facts(t, "/facts/x", "Authorization", "Bearer t").Header["Authorization"], "nobody else has looked at it")
	assert.NotContains(t, a.facts(t, "/untold/x", "Authorization", "Bearer t").Header, "Authorization")
	assert.Equal(t, 403, a.get(t, "/forbidden/x").StatusCode)
}

func TestApache_RewriteToAnApplication(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		modules: []string{"rewrite"},
		host: `
			PillionScriptAlias /app behave
			PillionScriptAlias /root behave
			RewriteEngine On
			RewriteRule ^/old/(.*) /app/new/$1 [PT,E=REWRITTEN:$1]
			RewriteRule ^/query /app/q?b=2 [PT,QSA]
			RewriteRule ^/app/inner$ /app/facts/outer [PT]`,
	}.start(t)
	f := a.facts(t, "/old/a%20b?x=1")
	assert.EqualValues(t, "/new/a b", f.Path)
	assert.EqualValues(t, "x=1", f.Query)
	assert.Equal(t, "/app", f.Variable("SCRIPT_NAME"))
	assert.Equal(t, "/new/a b", f.Variable("PATH_INFO"))
	assert.Equal(t, "a b", f.Variable("REWRITTEN"))
	f = a.facts(t, "/query?a=1")
	assert.EqualValues(t, "/q", f.Path)
	assert.EqualValues(t, "b=2&a=1", f.Query)
	f = a.facts(t, "/app/inner")
	assert.EqualValues(t, "/facts/outer", f.Path)
}

func TestApache_DeflateCompresses(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		modules: []string{"filter", "deflate"},
		host:    everyApache + "SetOutputFilter DEFLATE",
	}.start(t)
	returnsToBaseline(t, a.server)
	for _, size := range []int64{10, 5000, 5 << 20} {
		answer := a.whole(t, fmt.Sprintf("/bytes?n=%d&seed=z", size), "Accept-Encoding", "gzip")
		require.Equal(t, "gzip", answer.Header.Get("Content-Encoding"))
		r, err := gzip.NewReader(strings.NewReader(answer.body))
		require.NoError(t, err)
		plain, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, behave.PatternHash("z", size), hash(string(plain)))
	}

	// A flush goes through the compressor at once.
	key := newKey()
	req, err := http.NewRequest("GET", fmt.Sprintf("%s/pieces?key=%s&n=5", a.base, key), nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := a.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	r, err := gzip.NewReader(res.Body)
	require.NoError(t, err)
	lines := bufio.NewReader(r)
	for i := range 5 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("piece %d\n", i), line)
		a.tell(t, fmt.Sprintf("%s/%d", key, i))
	}
	_, err = lines.ReadByte()
	assert.Equal(t, io.EOF, err)

	// A cut is a cut, compressed or not.
	assert.Error(t, a.get(t, "/panic?n=100000&flush=1", "Accept-Encoding", "gzip").err)

	// Files too.
	path := a.path("apps/file")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("file ", 50000)), 0o644))
	answer := a.whole(t, "/file?path="+path, "Accept-Encoding", "gzip")
	r, err = gzip.NewReader(strings.NewReader(answer.body))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("file ", 50000), string(plain))
}

func TestApache_HeadersModule(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		modules: []string{"headers"},
		host: everyApache + `
			Header set X-Set "by httpd"
			Header unset X-Own
			Header edit Set-Cookie "$" "; Secure"
			Header always set X-Always "yes"
			RequestHeader set X-Asked "by httpd"
			RequestHeader unset X-Removed`,
	}.start(t)
	answer := a.whole(t, behave.Spec{Headers: [][2]string{{"X-Own", "1"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}}.URL())
	assert.Equal(t, "by httpd", answer.Header.Get("X-Set"))
	assert.Empty(t, answer.Header.Get("X-Own"))
	assert.Equal(t, []string{"a=1; Secure", "b=2; Secure"}, answer.Header["Set-Cookie"])
	assert.Equal(t, "yes", a.get(t, "/panic").Header.Get("X-Always"))
	f := a.facts(t, "/facts/x", "X-Removed", "1")
	assert.Equal(t, []behave.Text{"by httpd"}, f.Header["X-Asked"])
	assert.NotContains(t, f.Header, "X-Removed")
}

func TestApache_ServerSideIncludes(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		modules: []string{"include"},
		host: everyApache + `
			Alias /pages @dir@/apps
			<Directory @dir@/apps>
			  Options +Includes
			  SetOutputFilter INCLUDES
			  Require all granted
			</Directory>`,
	}.start(t)
	returnsToBaseline(t, a.server)
	require.NoError(t, os.WriteFile(a.path("apps/page.html"), []byte(
		`[<!--#include virtual="/other/a" -->][<!--#include virtual="/bytes?n=100000&seed=i" -->][<!--#include virtual="/panic" -->]`), 0o644))
	var included strings.Builder
	io.Copy(&included, behave.Pattern("i", 100000))
	body := a.whole(t, "/pages/page.html").body
	assert.Contains(t, body, "[the other application: /other/a]["+included.String()+"][")
	assert.Contains(t, body, "an error occurred")
}

// tlsApache is httpd with TLS and HTTP/2 on a second port, whose URL begins with
// base. Its clients have no certificate.
func tlsApache(t *testing.T) (a *apache, ca *authority, connect func(h2 bool) *server) {
	return tlsApacheWith(t, "", everyApache)
}

// tlsApacheWith is tlsApache with a library and its routes.
func tlsApacheWith(t *testing.T, library, routes string) (a *apache, ca *authority, connect func(h2 bool) *server) {
	ca = newAuthority(t)
	port := freePort(t)
	a = apacheConf{
		modules: []string{"socache_shmcb", "ssl", "http2"},
		library: library,
		hosts: fmt.Sprintf(`
			Listen 127.0.0.1:%d
			SSLSessionCache shmcb:@dir@/sessions
			<VirtualHost 127.0.0.1:%d>
			  Protocols h2 http/1.1
			  SSLEngine on
			  SSLCertificateFile %s/server.pem
			  SSLCertificateKeyFile %s/server.key
			  SSLCACertificateFile %s/root.pem
			  SSLVerifyClient optional
			  SSLVerifyDepth 2
			  AllowEncodedSlashes On
			  %s
			</VirtualHost>`, port, port, ca.dir, ca.dir, ca.dir, routes),
	}.start(t)
	return a, ca, func(h2 bool) *server {
		s := newServer("tls", fmt.Sprintf("https://127.0.0.1:%d", port), dialTCP(fmt.Sprintf("127.0.0.1:%d", port)), a.log)
		transport := s.client.Transport.(*http.Transport)
		transport.TLSClientConfig = ca.clientConfig()
		transport.ForceAttemptHTTP2 = h2
		t.Cleanup(s.client.CloseIdleConnections)
		return s
	}
}

func TestApache_TLS(t *testing.T) {
	t.Parallel()
	a, ca, connect := tlsApache(t)
	returnsToBaseline(t, a.server)
	for _, h2 := range []bool{false, true} {
		client := connect(h2)
		var f behave.Facts
		answer := client.get(t, "/facts/a%2Fb?q")
		answer.into(t, &f)
		assert.Equal(t, h2, answer.ProtoMajor == 2)
		assert.True(t, f.TLS)
		assert.Equal(t, "on", f.Variable("HTTPS"))
		assert.Equal(t, "https", f.Variable("REQUEST_SCHEME"))
		assert.Regexp(t, `^TLSv1`, f.Variable("SSL_PROTOCOL"))
		assert.NotEmpty(t, f.Variable("SSL_CIPHER"))
		assert.Equal(t, "sni.example", f.Variable("SSL_TLS_SNI"))
		assert.Equal(t, map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[h2], string(f.Proto))
		assert.EqualValues(t, "/facts/a%2Fb?q", f.URI)

		const size = 4 << 20
		assert.Equal(t, behave.PatternHash("tls", size), hash(client.whole(t, fmt.Sprintf("/bytes?n=%d&seed=tls", size)).body))
		echo := client.do(t, "POST", "/echo", behave.Pattern("tls", size))
		require.NoError(t, echo.err)
		assert.Equal(t, behave.PatternHash("tls", size), hash(echo.body))
		if !h2 { // TestApache_HTTP2StreamsAreCutAlone
			assert.Error(t, client.get(t, "/panic?n=10&flush=1").err)
		}
	}

	// The client's certificate, and what r.TLS tells of it.
	base := connect(false).base
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		assert.Empty(t, tlsOf(t, base, ca.clientConfig(), protocol).Peer)
		state := tlsOf(t, base, ca.clientConfig(ca.client), protocol)
		assert.Equal(t, []string{"client", "intermediate"}, state.Peer)
		assert.Equal(t, [][]string{{"client"}}, state.Verified)
		assert.Equal(t, "sni.example", state.Name)
		assert.False(t, state.Resume)
	}
	config := ca.clientConfig()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	tlsOf(t, base, config, "HTTP/1.1")
	assert.True(t, tlsOf(t, base, config, "HTTP/1.1").Resume)
}

func TestApache_TLSClientThatLeavesIsNoticed(t *testing.T) {
	t.Parallel()
	_, ca, connect := tlsApache(t)
	client := connect(false)
	key := newKey()
	raw, err := client.dial()
	require.NoError(t, err)
	c := tls.Client(raw, ca.clientConfig())
	defer c.Close()
	_, err = io.WriteString(c, "GET /hold?key="+key+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	client.await(t, key+"/in")
	// What waits in the socket is the end of TLS, and then that of the client.
	require.NoError(t, c.CloseWrite())
	require.NoError(t, raw.(*net.TCPConn).CloseWrite())
	assert.Contains(t, client.await(t, key+"/done"), "cancelled: ")
}

func TestApache_ConnectionIsTakenOverBehindTLS(t *testing.T) {
	t.Parallel()
	_, ca, connect := tlsApache(t)
	client := connect(false)
	key := newKey()
	raw, err := client.dial()
	require.NoError(t, err)
	c := tls.Client(raw, ca.clientConfig())
	defer c.Close()
	_, err = io.WriteString(c, "GET /hijack?how=lines&key="+key+" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nearly\n")
	require.NoError(t, err)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	assert.Equal(t, 101, res.StatusCode)
	for _, line := range []string{"early", "late", strings.Repeat("long", 10000)} {
		if line != "early" {
			_, err = io.WriteString(c, line+"\n")
			require.NoError(t, err)
		}
		said, err := r.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "you said "+line+"\n", said)
	}
	c.CloseWrite()
	_, err = r.ReadByte()
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, "EOF", client.await(t, key+"/out"))
}

func TestApache_TakenOverConnectionOutlastsTheRequestTimeouts(t *testing.T) {
	a := apacheConf{
		modules: []string{"reqtimeout"},
		main:    "Timeout 1\nPillionReadTimeout 30s\nRequestReadTimeout header=1 body=1,MinRate=500",
		host:    everyApache + "<Location /hijack>\nPillionReadTimeout 1s\n</Location>",
	}.start(t)
	returnsToBaseline(t, a.server)
	key := newKey()
	w := a.wire(t, "GET /hijack?how=lines&key="+key+" HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: raw\n\n")
	assert.Equal(t, 101, w.response("GET").StatusCode)
	time.Sleep(2 * time.Second) // no event tells that nothing happens
	w.send("still there\n")
	said, err := w.r.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "you said still there\n", said)
	w.Close()
	a.await(t, key+"/out")
}

func TestApache_HTTP2StreamsAreCutAlone(t *testing.T) {
	t.Parallel()
	s := startApacheHTTP2(t)
	plain := newServer("apache", s.base, s.dial, s.log) // mod_http2 slows a connection down whose streams fail
	returnsToBaseline(t, plain)
	transport := s.client.Transport.(*http.Transport)
	var dials atomic.Int64
	dial := s.dial
	transport.DialContext = nil
	transport.Dial = func(_, _ string) (net.Conn, error) { dials.Add(1); return dial() }

	key := newKey()
	held := make(chan answer, 1)
	go func() {
		a, err := s.try("GET", "/hold?key="+key, nil)
		assert.NoError(t, err)
		held <- a
	}()
	plain.await(t, key+"/in")
	for range 10 {
		cut := newKey()
		res, err := s.client.Get(s.base + "/panic?n=10&flush=1&wait=1&key=" + cut)
		require.NoError(t, err)
		begin := make([]byte, 10)
		_, err = io.ReadFull(res.Body, begin)
		require.NoError(t, err)
		plain.tell(t, cut+"/go")
		_, err = io.ReadAll(res.Body)
		assert.Error(t, err)
		res.Body.Close()
	}
	plain.tell(t, key+"/go")
	assert.Equal(t, "held", (<-held).body)
	assert.EqualValues(t, 1, dials.Load(), "a cut stream takes no other one with it")
}

func TestApache_SendfileAndWithoutIt(t *testing.T) {
	t.Parallel()
	for _, sendfile := range []string{"On", "Off"} {
		a := apacheConf{host: everyApache + "EnableSendfile " + sendfile}.start(t)
		returnsToBaseline(t, a.server)
		path := a.path("apps/file")
		const size = 5 << 20
		f, err := os.Create(path)
		require.NoError(t, err)
		_, err = io.Copy(f, behave.Pattern("f", size))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		key := newKey()
		answer := a.whole(t, "/file?offset=1000&key="+key+"&path="+path)
		want, _ := io.ReadAll(behave.Pattern("f", size))
		assert.Equal(t, hash(string(want[1000:])), hash(answer.body), sendfile)
		assert.JSONEq(t, fmt.Sprintf(`{"N":%d,"At":%d,"Err":""}`, size-1000, size), a.await(t, key+"/end"), "its position is the application's")
		answer = a.whole(t, "/content?path="+path, "Range", "bytes=100-2000099")
		assert.Equal(t, 206, answer.StatusCode)
		assert.Equal(t, hash(string(want[100:2000100])), hash(answer.body))
	}
}
