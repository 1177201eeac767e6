package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// result is what the writes of a spec with a key came to.
func (s *server) result(t *testing.T, key string) (r behave.Result) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(s.await(t, key)), &r))
	return r
}

var responseRows = []row{
	{"head_has_the_headers_and_no_body", func(t *testing.T, s *server) {
		for _, size := range []int64{10, 2048, 2049, 100000} {
			get := s.whole(t, behave.Spec{Size: size}.URL())
			head := s.do(t, "HEAD", behave.Spec{Size: size}.URL(), nil)
			require.NoError(t, head.err)
			assert.Empty(t, head.body)
			assert.Equal(t, 200, head.StatusCode)
			assert.Equal(t, get.Header.Get("Content-Type"), head.Header.Get("Content-Type"), size)
			if get.ContentLength >= 0 && head.ContentLength >= 0 {
				assert.Equal(t, get.ContentLength, head.ContentLength)
			}
		}
		declared := behave.Spec{Headers: [][2]string{{"Content-Length", "12345"}}}
		assert.EqualValues(t, 12345, s.do(t, "HEAD", declared.URL(), nil).ContentLength)
	}},
	{"204_and_304_have_no_body", func(t *testing.T, s *server) {
		for _, status := range []int{204, 304} {
			key := newKey()
			a := s.whole(t, behave.Spec{Status: status, Headers: [][2]string{{"Etag", `"e"`}}, Pieces: []string{"no"}, Key: key}.URL())
			assert.Equal(t, status, a.StatusCode)
			assert.Empty(t, a.body)
			assert.Equal(t, `"e"`, a.Header.Get("Etag"))
			assert.Empty(t, a.Header.Get("Content-Type"))
			assert.Empty(t, a.TransferEncoding)
			assert.Equal(t, behave.Result{Err: http.ErrBodyNotAllowed.Error()}, s.result(t, key))
		}
	}},
	{"any_status_arrives", func(t *testing.T, s *server) {
		for _, status := range []int{200, 201, 202, 206, 302, 400, 401, 404, 418, 500, 502, 599} {
			a := s.whole(t, behave.Spec{Status: status, Pieces: []string{"body of " + strconv.Itoa(status)}}.URL())
			assert.Equal(t, status, a.StatusCode)
			assert.Equal(t, "body of "+strconv.Itoa(status), a.body)
		}
	}},
	{"repeated_response_headers_and_cookies_arrive", func(t *testing.T, s *server) {
		a := s.whole(t, behave.Spec{Headers: [][2]string{
			{"Set-Cookie", "a=1; Path=/"}, {"Set-Cookie", "b=2; HttpOnly"},
			{"X-Many", "one"}, {"X-Many", "two, three"}, {"X-Empty", ""}, {"Vary", "A"}, {"Vary", "B"},
			{"Link", "</a>; rel=preload"}, {"Link", "</b>; rel=preload"},
			{"Www-Authenticate", "Basic realm=x"}, {"Www-Authenticate", "Bearer"},
			{"Cache-Control", "no-cache"}, {"Cache-Control", "max-age=0"},
		}}.URL())
		assert.Equal(t, []string{"a=1; Path=/", "b=2; HttpOnly"}, a.Header["Set-Cookie"])
		assert.Equal(t, []string{"one", "two, three"}, a.Header["X-Many"])
		assert.Equal(t, []string{""}, a.Header["X-Empty"])
		assert.Equal(t, "A,B", strings.Join(a.Header["Vary"], ","), "a list, in one field or two")
		assert.Equal(t, []string{"</a>; rel=preload", "</b>; rel=preload"}, a.Header["Link"])
		assert.Equal(t, []string{"Basic realm=x", "Bearer"}, a.Header["Www-Authenticate"])
		assert.Equal(t, []string{"no-cache", "max-age=0"}, a.Header["Cache-Control"])
	}},
	{"bad_headers_are_not_sent_but_logged", func(t *testing.T, s *server) {
		mark := strings.ReplaceAll(newKey(), ".", "-")
		a := s.whole(t, behave.Spec{Headers: [][2]string{
			{"X-Good", "good"}, {"X-Cr-" + mark, "a\rSet-Cookie: evil=1"}, {"X-Lf-" + mark, "a\r\nSet-Cookie: evil=1"},
			{"X-Nul-" + mark, "a\x00b"}, {"X Space " + mark, "v"}, {"X-Colon:" + mark, "v"}, {"", "v"}, {"X-Line\n" + mark, "v"},
		}}.URL())
		assert.Equal(t, "good", a.Header.Get("X-Good"))
		assert.Equal(t, "a Set-Cookie: evil=1", a.Header.Get("X-Cr-"+mark))
		assert.Empty(t, a.Header["Set-Cookie"])
		for name := range a.Header {
			what, _, ours := strings.Cut(strings.ToLower(name), mark)
			assert.True(t, !ours || what == "x-cr-" || what == "x-lf-", "%q: only line ends are mended", name)
		}
		log := s.awaitLog(t, "X-Nul-"+mark)
		for _, name := range []string{"X Space ", "X-Colon:"} {
			assert.Contains(t, log, name+mark)
		}
		for line := range strings.Lines(log) {
			if strings.Contains(line, "X-Nul-"+mark+`\"`) || strings.Contains(line, `"X-Nul-`+mark+`"`) {
				assert.Contains(t, line, "behave", "the application's name")
			}
		}
	}},
	{"small_body_gets_a_length", func(t *testing.T, s *server) {
		a := s.whole(t, behave.Spec{Size: 2048}.URL())
		assert.EqualValues(t, 2048, a.ContentLength)
		a = s.whole(t, behave.Spec{Pieces: []string{"one", "two"}}.URL())
		assert.EqualValues(t, 6, a.ContentLength)
		a = s.whole(t, behave.Spec{}.URL())
		assert.EqualValues(t, 0, a.ContentLength)
		assert.Empty(t, a.body)
	}},
	{"larger_body_gets_no_length", func(t *testing.T, s *server) {
		a := s.whole(t, behave.Spec{Size: 2049}.URL())
		assert.EqualValues(t, -1, a.ContentLength)
		assert.Len(t, a.body, 2049)
	}},
	{"flushed_body_gets_no_length", func(t *testing.T, s *server) {
		a := s.whole(t, behave.Spec{Pieces: []string{"one"}, Flush: true}.URL())
		assert.EqualValues(t, -1, a.ContentLength)
		assert.Equal(t, "one", a.body)
	}},
	{"content_type_is_sniffed", func(t *testing.T, s *server) {
		for body, want := range map[string]string{
			"<!doctype html><p>": "text/html; charset=utf-8",
			"plain":              "text/plain; charset=utf-8",
			"GIF89a....":         "image/gif",
		} {
			assert.Equal(t, want, s.whole(t, behave.Spec{Pieces: []string{body}}.URL()).Header.Get("Content-Type"))
		}
		a := s.whole(t, behave.Spec{Pieces: []string{"x"}, Headers: [][2]string{{"Content-Type", "text/x-own"}}}.URL())
		assert.Equal(t, "text/x-own", a.Header.Get("Content-Type"))
	}},
	{"too_few_bytes_are_a_cut", func(t *testing.T, s *server) {
		a := s.get(t, behave.Spec{Headers: [][2]string{{"Content-Length", "100000"}}, Size: 5000}.URL())
		assert.Error(t, a.err)
		assert.Equal(t, 200, a.StatusCode)
		assert.LessOrEqual(t, len(a.body), 5000)
		s.awaitLog(t, "100000")
	}},
	{"too_many_bytes_are_an_error", func(t *testing.T, s *server) {
		key := newKey()
		a := s.whole(t, behave.Spec{Headers: [][2]string{{"Content-Length", "3"}}, Pieces: []string{"abc", "d"}, Key: key}.URL())
		assert.Equal(t, "abc", a.body)
		assert.Equal(t, behave.Result{Wrote: 3, Err: http.ErrContentLength.Error()}, s.result(t, key))
	}},
	{"invalid_length_is_not_sent", func(t *testing.T, s *server) {
		a := s.whole(t, behave.Spec{Headers: [][2]string{{"Content-Length", "many"}}, Pieces: []string{"abc"}}.URL())
		assert.Equal(t, "abc", a.body)
	}},
	{"trailers_arrive", func(t *testing.T, s *server) {
		a := s.whole(t, behave.Spec{
			Headers:  [][2]string{{"Trailer", "X-Sum, X-Second"}},
			Pieces:   []string{"body"},
			Trailers: [][2]string{{"X-Sum", "42"}, {"X-Second", "a"}, {http.TrailerPrefix + "X-Late", "z"}},
		}.URL(), "TE", "trailers")
		assert.Equal(t, "body", a.body)
		assert.Equal(t, "42", a.Trailer.Get("X-Sum"))
		assert.Equal(t, "a", a.Trailer.Get("X-Second"))
		assert.Equal(t, "z", a.Trailer.Get("X-Late"))
		assert.Empty(t, a.Header.Get("X-Sum"))
	}},
	{"informational_heads_precede_the_final", func(t *testing.T, s *server) {
		var got []int
		var link string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got, link = append(got, code), h.Get("Link")
			return nil
		}}
		spec := behave.Spec{Infos: []int{103, 103}, Headers: [][2]string{{"Link", "</s.css>; rel=preload"}}, Pieces: []string{"x"}}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", s.base+spec.URL(), nil)
		require.NoError(t, err)
		a := s.send(t, req)
		assert.Equal(t, "x", a.body)
		assert.Equal(t, []int{103, 103}, got)
		assert.Equal(t, "</s.css>; rel=preload", link)
	}},
	{"large_head_arrives", func(t *testing.T, s *server) {
		spec := behave.Spec{}
		value := strings.Repeat("v", 40)
		for i := range 50 {
			spec.Headers = append(spec.Headers, [2]string{"X-H" + strconv.Itoa(i), value})
		}
		a := s.whole(t, spec.URL())
		for i := range 50 {
			assert.Equal(t, value, a.Header.Get("X-H"+strconv.Itoa(i)))
		}
	}},
	{"http10_response_ends_with_the_connection", func(t *testing.T, s *server) {
		w := s.wire(t, "GET "+behave.Spec{Size: 5000}.URL()+" HTTP/1.0\nHost: h\n\n")
		a := w.answer("GET")
		require.NoError(t, a.err)
		assert.Len(t, a.body, 5000)
		assert.Empty(t, a.TransferEncoding)
	}},
}
