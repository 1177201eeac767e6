package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

var sizes = []struct {
	name string
	n    int64
}{{"0 B", 0}, {"1 B", 1}, {"1 MiB", 1 << 20}, {"64 MiB", 64 << 20}}

var bodyRows = []row{
	{"upload_arrives_whole", func(t *testing.T, s *server) {
		for _, size := range sizes {
			var sum behave.Sum
			req, err := http.NewRequest("POST", s.base+"/hash", behave.Pattern("up", size.n))
			require.NoError(t, err)
			req.ContentLength = size.n
			if size.n == 0 {
				req.Body = http.NoBody
			}
			s.send(t, req).into(t, &sum)
			assert.Equal(t, behave.Sum{Bytes: size.n, SHA256: behave.PatternHash("up", size.n), Length: size.n}, sum, size.name)
		}
	}},
	{"download_arrives_whole", func(t *testing.T, s *server) {
		for _, size := range sizes {
			for _, length := range []string{"", "&length=1"} {
				a := s.pattern(t, fmt.Sprintf("/bytes?n=%d&seed=down%s", size.n, length), "down", size.n)
				if length != "" {
					assert.Equal(t, size.n, a.ContentLength, size.name)
				}
			}
		}
	}},
	{"echo_of_64_MiB_arrives_whole", func(t *testing.T, s *server) {
		const n = 64 << 20
		a := s.do(t, "POST", "/echo", behave.Pattern("echo", n))
		require.NoError(t, a.err)
		assert.Equal(t, behave.PatternHash("echo", n), hash(a.body))
	}},
	{"chunked_upload_arrives_whole", func(t *testing.T, s *server) {
		w := s.wire(t, "POST /hash HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n"+
			"5\nhello\n1;extension=1\n \n5\nthere\n0\nTrailer: ignored\n\n")
		var sum behave.Sum
		w.answer("POST").into(t, &sum)
		assert.Equal(t, hash("hello there"), sum.SHA256)
		// A server that had all of it at once may tell its length.
		assert.Contains(t, []int64{-1, 11}, sum.Length)
		assert.Equal(t, sum.Length == -1, len(sum.Coding) == 1)
		w.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
		assert.Equal(t, "the other application: /other", w.answer("GET").body, "the next request")
	}},
	{"chunked_upload_has_no_length_while_it_lasts", func(t *testing.T, s *server) {
		key := newKey()
		w := s.wire(t, "POST /slow-upload?key="+key+"&first=5 HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n5\nhello\n")
		s.await(t, key+"/first")
		s.tell(t, key+"/go")
		w.send("6\r\n there\r\n0\r\n\r\n")
		var sum behave.Sum
		w.answer("POST").into(t, &sum)
		assert.Equal(t, behave.Sum{Bytes: 11, SHA256: hash("hello there"), Length: -1, Coding: []string{"chunked"}}, sum)
	}},
	{"chunked_upload_of_1_MiB_arrives_whole", func(t *testing.T, s *server) {
		var sum behave.Sum
		s.do(t, "POST", "/hash", io.MultiReader(behave.Pattern("chunks", 1<<20))).into(t, &sum)
		assert.Equal(t, behave.PatternHash("chunks", 1<<20), sum.SHA256)
		assert.Empty(t, sum.Err)
	}},
	{"upload_in_single_bytes_arrives_whole", func(t *testing.T, s *server) {
		pr, pw := io.Pipe()
		go func() {
			for i := range 300 {
				pw.Write([]byte{byte(i)})
			}
			pw.Close()
		}()
		var want bytes.Buffer
		for i := range 300 {
			want.WriteByte(byte(i))
		}
		a := s.do(t, "POST", "/echo", pr)
		require.NoError(t, a.err)
		assert.Equal(t, want.String(), a.body)
	}},
	{"body_that_nobody_reads_does_no_harm", func(t *testing.T, s *server) {
		a := s.do(t, "POST", "/unread", bytes.NewReader(make([]byte, 100<<10)))
		require.NoError(t, a.err)
		assert.Equal(t, "not read, of 102400", a.body)
	}},
	{"keepalive_connection_serves_many_requests", func(t *testing.T, s *server) {
		w := s.wire(t, "")
		for i := range 50 {
			body := strings.Repeat("x", i*7)
			w.send(fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			a := w.answer("POST")
			require.NoError(t, a.err)
			require.Equal(t, body, a.body)
			require.False(t, a.Close)
		}
	}},
	{"pipelined_requests_are_answered_in_order", func(t *testing.T, s *server) {
		w := s.wire(t, "")
		go func() { // a pipe has no buffer
			for i := range 10 {
				fmt.Fprintf(w.Conn, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nn %d", i)
			}
		}()
		for i := range 10 {
			a := w.answer("POST")
			require.NoError(t, a.err)
			require.Equal(t, fmt.Sprintf("n %d", i), a.body)
		}
	}},
	{"thousand_concurrent_requests_do_not_mix", func(t *testing.T, s *server) {
		const n = 1000
		key := newKey()
		// One on a kept connection that the server is closing is not sent again.
		s.client.CloseIdleConnections()
		start := time.Now()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				token := fmt.Sprintf("%s-%d", key, i)
				path := fmt.Sprintf("/cross/%s?token=%s&key=%s&meet=%d", token, token, key, n)
				a, err := s.try("POST", path, strings.NewReader(token), "X-Token", token)
				if assert.NoError(t, err) && assert.NoError(t, a.err) {
					assert.Equal(t, strings.Join([]string{token, token, token, token}, "\n"), a.body)
					assert.Equal(t, token, a.Header.Get("X-Token"))
				}
			})
		}
		wg.Wait()
		t.Logf("%d requests, all in their handlers at once, in %v", n, time.Since(start).Round(time.Millisecond))
	}},
	{"many_requests_in_a_row_do_not_mix", func(t *testing.T, s *server) {
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				for j := range 50 {
					token := fmt.Sprintf("t%d-%d", i, j)
					body := strings.Repeat(token, 1+j*j)
					a, err := s.try("POST", "/cross/"+token+"?token="+token, strings.NewReader(body), "X-Token", token)
					if assert.NoError(t, err) && assert.NoError(t, a.err) {
						assert.Equal(t, strings.Join([]string{token, token, token, body}, "\n"), a.body)
					}
				}
			})
		}
		wg.Wait()
	}},
}
