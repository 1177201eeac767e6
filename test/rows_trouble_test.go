package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

var troubleRows = []row{
	{"panic_before_the_first_byte_is_500", func(t *testing.T, s *server) {
		key := newKey()
		for _, n := range []string{"0", "100"} { // written, but not sent yet
			a := s.get(t, "/panic?key="+key+"&n="+n)
			assert.Equal(t, 500, a.StatusCode)
			assert.NotContains(t, a.body, "ppp")
		}
		log := s.awaitLog(t, "a panic to order "+key)
		assert.Contains(t, log, "behave.servePanic", "the stack")
	}},
	{"panic_after_the_first_byte_is_a_cut", func(t *testing.T, s *server) {
		for _, query := range []string{"n=10&flush=1", "n=100000", "n=100000&flush=1", "n=10&flush=1&length=20"} {
			key := newKey()
			a := s.get(t, "/panic?key="+key+"&"+query)
			assert.Equal(t, 200, a.StatusCode, query)
			assert.Error(t, a.err, query)
			s.awaitLog(t, "a panic to order "+key)
		}
	}},
	{"abort_is_a_cut_without_a_stack", func(t *testing.T, s *server) {
		a := s.get(t, "/panic?n=10&flush=1&abort=1&mark=quiet")
		assert.Equal(t, 200, a.StatusCode)
		assert.Error(t, a.err)
		a = s.get(t, "/panic?abort=1&mark=quiet")
		assert.Equal(t, 500, a.StatusCode)
		assert.NotContains(t, s.log(), "panic serving /panic?n=10&flush=1&abort=1&mark=quiet")
		assert.NotContains(t, s.log(), "panic serving /panic?abort=1&mark=quiet")
	}},
	{"http10_abort_is_a_reset", func(t *testing.T, s *server) {
		w := s.wire(t, "GET /panic?n=5000&flush=1 HTTP/1.0\nHost: h\n\n")
		_, err := w.rest()
		if s.name == "memory" {
			return // a pipe cannot be reset
		}
		assert.Error(t, err, "its end must not look like the end of a whole response")
	}},
	{"goexit_before_the_first_byte_is_500", func(t *testing.T, s *server) {
		assert.Equal(t, 500, s.get(t, "/goexit").StatusCode)
	}},
	{"goexit_after_the_first_byte_is_a_cut", func(t *testing.T, s *server) {
		a := s.get(t, "/goexit?n=10")
		assert.Equal(t, 200, a.StatusCode)
		assert.Error(t, a.err)
	}},
	{"client_leaving_cancels_the_context", func(t *testing.T, s *server) {
		for _, method := range []string{"GET", "POST"} {
			key := newKey()
			ctx, leave := context.WithCancel(t.Context())
			var body io.Reader
			if method == "POST" {
				body = strings.NewReader("a whole body")
			}
			req, err := http.NewRequestWithContext(ctx, method, s.base+"/hold?read=1&key="+key, body)
			require.NoError(t, err)
			failed := make(chan error, 1)
			go func() {
				res, err := s.client.Do(req)
				if err == nil {
					res.Body.Close()
				}
				failed <- err
			}()
			s.await(t, key+"/in")
			leave()
			assert.ErrorIs(t, <-failed, context.Canceled)
			assert.Contains(t, s.await(t, key+"/done"), "cancelled: ", method)
			assert.Contains(t, s.await(t, key+"/write"), "error: ", method)
		}
	}},
	{"client_leaving_fails_the_write", func(t *testing.T, s *server) {
		key := newKey()
		req, err := http.NewRequest("GET", fmt.Sprintf("%s/fill?key=%s&n=%d", s.base, key, 64<<20), nil)
		require.NoError(t, err)
		res, err := s.client.Do(req)
		require.NoError(t, err)
		_, err = io.ReadFull(res.Body, make([]byte, 100000))
		require.NoError(t, err)
		res.Body.Close()
		assert.Contains(t, s.await(t, key+"/end"), "error: ")
		assert.Less(t, s.count(t, key), int64(64<<20))
	}},
	{"client_leaving_in_an_upload_is_an_error", func(t *testing.T, s *server) {
		key := newKey()
		w := s.wire(t, "POST /slow-upload?key="+key+"&first=5 HTTP/1.1\nHost: h\nContent-Length: 1000\n\n")
		w.send("hello")
		s.await(t, key+"/first")
		s.tell(t, key+"/go") // it reads on
		w.Close()
		assert.NotEmpty(t, s.await(t, key+"/end"))
	}},
	{"handler_may_outlive_its_client", func(t *testing.T, s *server) {
		key := newKey()
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", s.base+"/hold?linger=1&send=begin&key="+key, nil)
		require.NoError(t, err)
		res, err := s.client.Do(req)
		require.NoError(t, err)
		s.await(t, key+"/in")
		leave()
		res.Body.Close()
		assert.Contains(t, s.await(t, key+"/done"), "cancelled: ")
		s.tell(t, key+"/leave")
		assert.Contains(t, s.await(t, key+"/write"), "error: ")
	}},
	{"write_after_return_does_no_harm", func(t *testing.T, s *server) {
		key := newKey()
		a := s.do(t, "POST", "/late?key="+key, strings.NewReader("body"))
		require.NoError(t, a.err)
		assert.Equal(t, "in time", a.body)
		assert.Empty(t, a.Header.Get("X-Late"))
		s.tell(t, key+"/go")
		assert.Equal(t, "refused", s.await(t, key+"/late"))
		assert.Equal(t, "piece", s.whole(t, behave.Spec{Pieces: []string{"piece"}}.URL()).body, "the next request")
	}},
	{"log_lines_have_level_and_request", func(t *testing.T, s *server) {
		mark := newKey()
		for _, level := range []string{"INFO", "WARN", "ERROR"} {
			s.get(t, "/log?level="+level+"&msg=message+"+mark+level)
			for line := range strings.Lines(s.awaitLog(t, "message "+mark+level)) {
				if strings.Contains(line, "message "+mark+level) {
					assert.Contains(t, strings.ToUpper(line), level)
					assert.Contains(t, line, `attr="a value"`)
					assert.Contains(t, line, "/log?level="+level)
				}
			}
		}
	}},
	{"unknown_path_of_a_mux_is_the_applications_affair", func(t *testing.T, s *server) {
		var f behave.Facts
		s.get(t, "/no/such/path").into(t, &f)
		assert.EqualValues(t, "/no/such/path", f.Path)
	}},
}
