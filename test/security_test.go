// What clients try, against nginx and Apache: docs/security.md says what comes
// of it.

package test

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// closed is what a server keeps to itself, on top of everything.
const (
	closedNginx  = everything + `location /closed/ { return 403; }`
	closedApache = everyApache + "<Location /closed/>\nRequire all denied\n</Location>\n"
)

// TestSecurity runs the rows against both servers, with handlers and with Apps,
// for which a request is made of CGI variables.
func TestSecurity(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(*testing.T) *server
	}{
		{"nginx", func(t *testing.T) *server { return conf{server: closedNginx}.start(t).server }},
		{"nginx-lenient", func(t *testing.T) *server {
			return conf{server: "underscores_in_headers on; ignore_invalid_headers off;" + closedNginx}.start(t).server
		}},
		{"apache", func(t *testing.T) *server { return apacheConf{host: closedApache}.start(t).server }},
		{"fastcgi", func(t *testing.T) *server {
			return startGateway(t, "-fcgi", "fastcgi", "", "location /closed/ { return 403; }")
		}},
	} {
		run := func(t *testing.T) {
			s := c.start(t)
			returnsToBaseline(t, s)
			for _, r := range securityRows {
				if c.name == "fastcgi" && r.name == "host_is_one" {
					continue // it is what the parameters say
				}
				t.Run(r.name, func(t *testing.T) { r.run(t, s) })
			}
		}
		t.Run(c.name, run)
		t.Run(c.name+"-app", func(t *testing.T) { asApps(t); run(t) })
	}
}

// raw sends a request by hand and returns all that comes back.
func (s *server) raw(t *testing.T, line string, fields ...string) string {
	t.Helper()
	w := s.wire(t, line+" HTTP/1.1\nHost: h\nConnection: close\n")
	for _, f := range fields {
		w.send(f + "\r\n")
	}
	w.send("\r\n")
	b, err := io.ReadAll(w.r)
	require.NoError(t, err)
	return string(b)
}

func (s *server) rawFacts(t *testing.T, fields ...string) behave.Facts {
	t.Helper()
	return s.facts(t, "GET /facts/x HTTP/1.1\nHost: h\nConnection: close\n"+strings.Join(fields, "\n")+"\n\n")
}

func names(f behave.Facts) (list []string) {
	for _, p := range f.Environ {
		list = append(list, string(p[0]))
	}
	return list
}

var securityRows = []row{
	{"proxy_field_reaches_neither_variables_nor_the_process", func(t *testing.T, s *server) {
		for _, name := range []string{"Proxy", "PROXY", "proxy"} {
			f := s.rawFacts(t, name+": http://evil.example/")
			assert.NotContains(t, names(f), "HTTP_PROXY")
			assert.NotContains(t, f.Header, "Proxy")
		}
		assert.Empty(t, s.runtime(t, "env=HTTP_PROXY&env=http_proxy").Env)
	}},
	{"underscores_are_no_dashes", func(t *testing.T, s *server) {
		f := s.rawFacts(t, "X_Remote_User: admin", "X-Real: dash", "X_Real: underscore", "Content_Length: 100", "Content_Type: evil/type",
			"Transfer_Encoding: chunked", "X-Forwarded_For: 192.0.2.9", "Host_: evil", "_Host: evil")
		for _, name := range []string{"X-Remote-User", "Content-Length", "Content-Type", "X-Forwarded-For"} {
			assert.NotContains(t, f.Header, name)
		}
		assert.Equal(t, []behave.Text{"dash"}, f.Header["X-Real"])
		assert.EqualValues(t, "h", f.Host)
		assert.Zero(t, f.Length)
		assert.Empty(t, f.Coding)
		for _, name := range names(f) {
			assert.NotRegexp(t, `^HTTP_(X_REMOTE_USER|CONTENT_.*|TRANSFER_ENCODING|X_FORWARDED_FOR)$`, name)
		}
		assert.Empty(t, f.Variable("CONTENT_LENGTH"))
		assert.Empty(t, f.Variable("CONTENT_TYPE"))
		assert.NotContains(t, f.Variable("HTTP_X_REAL"), "underscore")
	}},
	{"remote_address_is_the_connections", func(t *testing.T, s *server) {
		f := s.rawFacts(t, "X-Forwarded-For: 192.0.2.9", "Forwarded: for=192.0.2.9;proto=https;host=evil", "X-Real-IP: 192.0.2.9",
			"X-Client-IP: 192.0.2.9", "Client-IP: 192.0.2.9", "True-Client-IP: 192.0.2.9", "Remote-Addr: 192.0.2.9",
			"X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "Https: on", "X-Forwarded-Ssl: on")
		assert.Regexp(t, `^127\.0\.0\.1:\d+$`, string(f.Remote))
		assert.Equal(t, "127.0.0.1", f.Variable("REMOTE_ADDR"))
		assert.EqualValues(t, "h", f.Host)
		assert.False(t, f.TLS)
		assert.NotContains(t, names(f), "HTTPS")
	}},
	{"application_is_not_the_clients_to_choose", func(t *testing.T, s *server) {
		out := s.raw(t, "GET /facts/x?PILLION_APP=other&app=other", "Pillion-App: other", "PILLION_APP: other", "X-Pillion-App: other",
			"Script-Name: /other", "Cookie: PILLION_APP=other")
		assert.Contains(t, out, "\r\n\r\n{", "the facts of the application that the server has named")
	}},
	{"response_cannot_be_split", func(t *testing.T, s *server) {
		const evil = "a\r\nX-Evil: 1\r\n\r\nevil"
		for name, spec := range map[string]behave.Spec{
			"value":    {Headers: [][2]string{{"X-Split", evil}}},
			"bare CR":  {Headers: [][2]string{{"X-Split", "a\rX-Evil: 1"}}},
			"bare LF":  {Headers: [][2]string{{"X-Split", "a\nX-Evil: 1"}}},
			"name":     {Headers: [][2]string{{"X-Split: a\r\nX-Evil", "1"}}},
			"Location": {Status: 302, Headers: [][2]string{{"Location", "/" + evil}}},
			"cookie":   {Headers: [][2]string{{"Set-Cookie", "a=" + evil}}},
			"type":     {Headers: [][2]string{{"Content-Type", "text/plain" + evil}}},
			"trailer":  {Flush: true, Headers: [][2]string{{"Trailer", "X-Late"}}, Trailers: [][2]string{{"X-Late", evil}}},
			"prefixed": {Flush: true, Trailers: [][2]string{{"Trailer:X-Late", evil}, {"Trailer:X-Late\r\nX-Evil", "1"}}},
			"accel":    {Headers: [][2]string{{"X-Accel-Charset", evil}}},
		} {
			spec.Pieces = append(spec.Pieces, "the body")
			out := s.raw(t, "GET "+spec.URL())
			assert.Regexp(t, `^HTTP/1\.1 (200|302|500) `, out, name)
			assert.NotRegexp(t, `(?i)[\r\n]x-evil`, out, name)
			assert.NotContains(t, out, "\r\n\r\nevil", name)
		}
	}},
	{"failures_tell_nothing", func(t *testing.T, s *server) {
		key := newKey()
		for _, line := range []string{"GET /panic?key=" + key, "GET /panic?n=100&key=" + key, "GET /goexit", "GET /panic?abort=1&key=" + key} {
			out := s.raw(t, line)
			assert.Regexp(t, `^HTTP/1\.1 500 `, out)
			assert.NotRegexp(t, `panic to order|goroutine|\.go|runtime|/tmp|app\.so|behave|PILLION`, strings.ReplaceAll(out, "/panic", ""))
		}
		assert.Contains(t, s.awaitLog(t, key), "goroutine", "which is for the log")
		for _, line := range []string{"GET /closed/x", "GET /%zz", "FROB"} {
			assert.NotRegexp(t, `(?i)goroutine|pillion|\.go\b|app\.so|behave`, s.raw(t, line))
		}
	}},
	{"request_line_and_fields_have_limits", func(t *testing.T, s *server) {
		for name, c := range map[string]struct {
			line   string
			fields []string
			status string
		}{
			"target":     {"GET /facts/" + strings.Repeat("a", 64<<10), nil, "414"},
			"query":      {"GET /facts/?" + strings.Repeat("a", 64<<10), nil, "414"},
			"field":      {"GET /facts/x", []string{"X-Long: " + strings.Repeat("a", 64<<10)}, "400"},
			"many lines": {"GET /facts/x", slicesOf("X-Many: "+strings.Repeat("a", 100), 1000), "400"},
		} {
			w := s.wire(t, c.line+" HTTP/1.1\nHost: h\nConnection: close\n"+strings.Join(c.fields, "\n")+"\n\n")
			head, err := w.r.ReadString('\n')
			require.NoError(t, err, name)
			assert.Contains(t, head, " "+c.status+" ", name)
		}
	}},
	{"host_is_one", func(t *testing.T, s *server) {
		for _, text := range []string{"Host: a\nHost: b", "Host: a/b", "Host: a b", "Host: a@b"} {
			w := s.wire(t, "GET /facts/x HTTP/1.1\n"+text+"\nConnection: close\n\n")
			head, err := w.r.ReadString('\n')
			require.NoError(t, err)
			assert.Contains(t, head, " 400 ", text)
		}
		f := s.facts(t, "GET http://target.example/facts/x HTTP/1.1\nHost: field.example\nConnection: close\n\n")
		assert.EqualValues(t, "target.example", f.Host, "RFC 9112, section 3.2.2")
		assert.NotContains(t, f.Header, "Host")
	}},
}

func slicesOf(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestNginx_RemoteAddressIsMovedByItsRealIPModuleAlone(t *testing.T) {
	n := conf{server: `
		set_real_ip_from 127.0.0.1;
		real_ip_header X-Forwarded-For;
		location / { pillion_pass behave; }`}.start(t)
	f := n.facts(t, "/facts/x", "X-Forwarded-For", "203.0.113.5, 192.0.2.7")
	assert.Regexp(t, `^192\.0\.2\.7:\d+$`, string(f.Remote))
	assert.Equal(t, "192.0.2.7", f.Variable("REMOTE_ADDR"))
	f = n.facts(t, "/facts/x", "X-Real-IP", "192.0.2.7")
	assert.Contains(t, string(f.Remote), "127.0.0.1:", "another field")
}

func TestApache_RemoteAddressIsMovedByModRemoteIPAlone(t *testing.T) {
	a := apacheConf{
		modules: []string{"remoteip"},
		host:    everyApache + "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n",
	}.start(t)
	f := a.facts(t, "/facts/x", "X-Forwarded-For", "192.0.2.7")
	assert.Regexp(t, `^192\.0\.2\.7(:\d+)?$`, string(f.Remote))
	assert.Equal(t, "192.0.2.7", f.Variable("REMOTE_ADDR"))
	f = a.facts(t, "/facts/x", "X-Real-IP", "192.0.2.7")
	assert.Contains(t, string(f.Remote), "127.0.0.1:", "another field")
}

// What nginx has checked the application sees, too, unless it is told not to:
// Apache's rule is in TestApache_BasicAuthenticationAndAccessControl.
func TestNginx_AuthorizationIsPassedOnUnlessItIsTakenAway(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; pillion_param REMOTE_USER $remote_user; }
		location /checked/ { auth_basic x; auth_basic_user_file @dir@/users; pillion_pass behave; pillion_param REMOTE_USER $remote_user; }
		location /taken/ {
			auth_basic x;
			auth_basic_user_file @dir@/users;
			pillion_pass behave;
			pillion_param REMOTE_USER $remote_user;
			pillion_param HTTP_AUTHORIZATION "";
		}`, allowed: nil}.start(t)
	require.NoError(t, os.WriteFile(n.path("users"), []byte("gopher:{PLAIN}secret\n"), 0o644))
	basic := "Basic Z29waGVyOnNlY3JldA=="
	assert.Equal(t, 401, n.get(t, "/checked/x").StatusCode)
	assert.Equal(t, 401, n.get(t, "/checked/x", "Authorization", "Basic Z29waGVyOm5v").StatusCode)
	f := n.facts(t, "/checked/x", "Authorization", basic)
	assert.Equal(t, []behave.Text{behave.Text(basic)}, f.Header["Authorization"])
	assert.Equal(t, "gopher", f.Variable("REMOTE_USER"))
	f = n.facts(t, "/taken/x", "Authorization", basic)
	assert.NotContains(t, f.Header, "Authorization")
	assert.Equal(t, "gopher", f.Variable("REMOTE_USER"))
	f = n.facts(t, "/x", "Authorization", "Bearer t", "Remote-User", "admin", "X-Remote-User", "admin")
	assert.Equal(t, []behave.Text{"Bearer t"}, f.Header["Authorization"])
	assert.Empty(t, f.Variable("REMOTE_USER"), "a field of that name is none of the server's variables")
	f = n.facts(t, "/x", "Authorization", "Basic Z29waGVyOm5v")
	assert.Equal(t, "gopher", f.Variable("REMOTE_USER"), "without auth_basic $remote_user is what the client claims")
}

// What the server refuses it refuses by the path it has made of the target; what
// the handler sees is the target. docs/security.md has the rule that this test
// follows.
var dotSegment = regexp.MustCompile(`(?i)^[^?]*(/|%2f)(\.|%2e){1,2}(/|%2f|\?|$)`)

func TestNginx_TargetsWithDotSegmentsCanBeRefused(t *testing.T) {
	n := conf{server: fmt.Sprintf(`
		if ($request_uri ~* "%s") { return 400; }
		location / { pillion_pass behave; }
		location /closed/ { return 403; }`, strings.TrimPrefix(dotSegment.String(), "(?i)"))}.start(t)
	for _, target := range []string{"/closed/%2e%2e/x", "/closed/../x", "/closed/.%2E/x", "/closed/%2e%2e%2fx", "/x/.", "/x/..", "/a%2F..%2fb", "/..?x"} {
		w := n.wire(t, "GET "+target+" HTTP/1.1\nHost: h\nConnection: close\n\n")
		assert.Equal(t, 400, w.answer("GET").StatusCode, target)
	}
	for _, target := range []string{"/x?a=/../b", "/a..b/..c/d../...", "/a/.well-known/x", "/%2e%2e%2e"} {
		f := n.server.facts(t, "GET "+target+" HTTP/1.1\nHost: h\nConnection: close\n\n")
		assert.EqualValues(t, target, f.URI)
	}
}
