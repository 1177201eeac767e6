package test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// facts sends a request by hand and returns what the application saw.
func (s *server) facts(t *testing.T, text string) (f behave.Facts) {
	t.Helper()
	w := s.wire(t, text)
	method, _, _ := strings.Cut(text, " ")
	a := w.answer(method)
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	a.into(t, &f)
	return f
}

var requestRows = []row{
	{"request_line_arrives_verbatim", func(t *testing.T, s *server) {
		for _, c := range []struct{ target, path, raw, query string }{
			{"/facts/a%2Fb", "/facts/a/b", "/facts/a%2Fb", ""},
			{"/facts/a%20b+c", "/facts/a b+c", "", ""},
			{"/facts/%e4%FF", "/facts/\xe4\xff", "/facts/%e4%FF", ""},
			{"/facts/a;b=c;d", "/facts/a;b=c;d", "", ""},
			{"/facts//double///slash", "/facts//double///slash", "", ""},
			{"/facts/./dot/../dot", "/facts/./dot/../dot", "", ""},
			{"/facts/q?a=1&b=%20&c=+;d&e=?&=", "/facts/q", "", "a=1&b=%20&c=+;d&e=?&="},
			{"/facts/q?", "/facts/q", "", ""},
			{"/facts/%25%32%46", "/facts/%2F", "/facts/%25%32%46", ""},
			{"/facts/~!$&'()*,:@-._", "/facts/~!$&'()*,:@-._", "/facts/~!$&'()*,:@-._", ""},
		} {
			f := s.facts(t, "GET "+c.target+" HTTP/1.1\nHost: h\nConnection: close\n\n")
			assert.EqualValues(t, c.target, f.URI)
			assert.EqualValues(t, c.path, f.Path, c.target)
			if f.RawPath != "" { // which net/url leaves away where it says nothing
				assert.EqualValues(t, c.raw, f.RawPath, c.target)
			}
			assert.EqualValues(t, c.query, f.Query, c.target)
		}
	}},
	{"what_is_no_uri_arrives_verbatim_too", func(t *testing.T, s *server) {
		for _, c := range []struct{ target, path, query string }{
			{"/facts/\xe4\xf6", "/facts/\xe4\xf6", ""},
			{"/facts/q?e=\xff", "/facts/q", "e=\xff"},
			{"/facts/q?a#b", "/facts/q", "a#b"},
		} {
			f := s.facts(t, "GET "+c.target+" HTTP/1.1\nHost: h\nConnection: close\n\n")
			assert.EqualValues(t, c.target, f.URI)
			assert.EqualValues(t, c.path, f.Path, c.target)
			assert.EqualValues(t, c.query, f.Query, c.target)
		}
	}},
	{"methods_arrive", func(t *testing.T, s *server) {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"} {
			var f behave.Facts
			s.do(t, method, "/facts/x", nil).into(t, &f)
			assert.EqualValues(t, method, f.Method)
		}
	}},
	{"host_and_remote_address_arrive", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/facts/x").into(t, &f)
		scheme, address, _ := strings.Cut(s.base, "://")
		assert.EqualValues(t, address, f.Host)
		assert.Regexp(t, `^127\.0\.0\.1:\d+$`, string(f.Remote))
		assert.Equal(t, scheme == "https", f.TLS)
		assert.EqualValues(t, "GET", f.Variable("REQUEST_METHOD"))
		assert.Contains(t, f.Variable("REMOTE_ADDR"), "127.0.0.1")
	}},
	{"repeated_request_headers_keep_their_order", func(t *testing.T, s *server) {
		f := s.facts(t, "GET /facts/x HTTP/1.1\nHost: h\nX-Many: one\nx-many: two\nX-Other: \nX-MANY: three, four\n"+
			"X-Bytes: \xe4\xf6\tfc\nConnection: close\n\n")
		assert.Equal(t, []behave.Text{"one", "two", "three, four"}, f.Header["X-Many"])
		assert.Equal(t, []behave.Text{""}, f.Header["X-Other"])
		assert.Equal(t, []behave.Text{"\xe4\xf6\tfc"}, f.Header["X-Bytes"])
	}},
	{"cookies_are_one_header_or_many", func(t *testing.T, s *server) {
		f := s.facts(t, "GET /facts/x HTTP/1.1\nHost: h\nCookie: a=1; b=2\nCookie: c=3\nConnection: close\n\n")
		assert.Equal(t, []behave.Text{"a=1; b=2", "c=3"}, f.Header["Cookie"])
	}},
	{"cookies_arrive", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/facts/x", "Cookie", "a=1; b=2; c=3").into(t, &f)
		assert.Equal(t, []behave.Text{"a=1; b=2; c=3"}, f.Header["Cookie"])
	}},
	{"proxy_header_never_arrives", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/facts/x", "Proxy", "http://evil", "Proxy-Authorization", "stays").into(t, &f)
		assert.NotContains(t, f.Header, "Proxy")
		assert.Contains(t, f.Header, "Proxy-Authorization")
		assert.Empty(t, f.Variable("HTTP_PROXY"))
	}},
	{"authorization_and_content_type_arrive", func(t *testing.T, s *server) {
		var f behave.Facts
		s.do(t, "POST", "/facts/x", strings.NewReader("b"), "Authorization", "Basic eA==", "Content-Type", "text/x-test").into(t, &f)
		assert.Equal(t, []behave.Text{"Basic eA=="}, f.Header["Authorization"])
		assert.Equal(t, []behave.Text{"text/x-test"}, f.Header["Content-Type"])
		assert.EqualValues(t, 1, f.Length)
		assert.EqualValues(t, "b", f.Body)
	}},
	{"dashes_and_underscores_stay_apart", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/facts/x", "X-A-B", "dash").into(t, &f)
		assert.Equal(t, []behave.Text{"dash"}, f.Header["X-A-B"])
		assert.NotContains(t, f.Header, "X_a_b")
	}},
	{"header_of_8000_bytes_arrives", func(t *testing.T, s *server) {
		value := strings.Repeat("v", 7000)
		var f behave.Facts
		s.get(t, "/facts/x", "X-Long", value).into(t, &f)
		assert.Equal(t, []behave.Text{behave.Text(value)}, f.Header["X-Long"])
	}},
	{"mounted_application_sees_the_rest_of_the_path", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/mounted/facts/a%2Fb?q=1").into(t, &f)
		assert.EqualValues(t, "/facts/a/b", f.Path)
		assert.EqualValues(t, "/facts/a%2Fb", f.RawPath)
		assert.EqualValues(t, "q=1", f.Query)
		assert.EqualValues(t, "/mounted/facts/a%2Fb?q=1", f.URI)
		assert.Equal(t, "/mounted", f.Variable("SCRIPT_NAME"))
		assert.Equal(t, "/facts/a/b", f.Variable("PATH_INFO"))
	}},
	{"other_application_has_its_own_requests", func(t *testing.T, s *server) {
		assert.Equal(t, "the other application: /other/x", s.whole(t, "/other/x").body)
	}},
	{"expect_is_answered_by_the_read", func(t *testing.T, s *server) {
		w := s.wire(t, "POST /echo HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 5\nConnection: close\n\n")
		assert.Equal(t, 100, w.response("POST").StatusCode)
		w.send("hello")
		a := w.answer("POST")
		require.NoError(t, a.err)
		assert.Equal(t, "hello", a.body)
	}},
	{"expect_without_a_read_gets_no_100", func(t *testing.T, s *server) {
		w := s.wire(t, "POST /unread?status=413 HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 5\n\n")
		a := w.answer("POST")
		require.NoError(t, a.err)
		assert.Equal(t, 413, a.StatusCode)
		_, err := w.r.ReadByte()
		assert.Error(t, err, "the connection must end: where the body is missing nobody can know what comes next")
	}},
	{"unknown_expectation_is_417", func(t *testing.T, s *server) {
		w := s.wire(t, "POST /echo HTTP/1.1\nHost: h\nExpect: miracles\nContent-Length: 5\nConnection: close\n\n")
		assert.Equal(t, http.StatusExpectationFailed, w.answer("POST").StatusCode)
	}},
	{"two_lengths_are_refused", func(t *testing.T, s *server) {
		w := s.wire(t, "POST /echo HTTP/1.1\nHost: h\nContent-Length: 5\nContent-Length: 6\nConnection: close\n\nhello!")
		assert.Equal(t, http.StatusBadRequest, w.answer("POST").StatusCode)
	}},
	{"variables_are_told_once", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/facts/x?y").into(t, &f)
		var names []string
		for _, p := range f.Environ {
			names = append(names, string(p[0]))
		}
		slices.Sort(names)
		assert.Equal(t, slices.Compact(slices.Clone(names)), names)
		for _, name := range []string{"REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"} {
			assert.Contains(t, names, name)
		}
	}},
}
