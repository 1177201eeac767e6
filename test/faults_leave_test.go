// Clients that leave at every stage of a request.

package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A stage brings a request to where its client leaves. What it returns waits
// until the handler, if one runs, has noticed.
type stage struct {
	name  string
	reach func(t *testing.T, s *server) (w *wire, noticed func())
}

var stages = []stage{
	{"before_any_byte", func(t *testing.T, s *server) (*wire, func()) {
		return s.wire(t, ""), func() {}
	}},
	{"in_the_header", func(t *testing.T, s *server) (*wire, func()) {
		return s.wire(t, "GET /count?key=never HTTP/1.1\nHost: h\nX-Half: "), func() {}
	}},
	{"in_a_body_that_is_read", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.wire(t, "POST /slow-upload?key="+key+"&first=5 HTTP/1.1\nHost: h\nContent-Length: 100\n\nhello")
		s.await(t, key+"/first")
		s.tell(t, key+"/go")
		return w, func() { assert.NotEmpty(t, s.await(t, key+"/end")) }
	}},
	{"in_a_chunk", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.wire(t, "POST /slow-upload?key="+key+"&first=5 HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n5\nhello\n64\nhalf")
		s.await(t, key+"/first")
		s.tell(t, key+"/go")
		return w, func() { assert.NotEmpty(t, s.await(t, key+"/end")) }
	}},
	{"before_the_first_byte_of_the_response", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.wire(t, "GET /hold?key="+key+" HTTP/1.1\nHost: h\n\n")
		s.await(t, key+"/in")
		return w, func() { assert.Contains(t, s.await(t, key+"/done"), "cancelled: ") }
	}},
	{"after_a_flushed_head", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.wire(t, "GET /hold?send=begin&key="+key+" HTTP/1.1\nHost: h\n\n")
		w.response("GET")
		s.await(t, key+"/in")
		return w, func() { assert.Contains(t, s.await(t, key+"/done"), "cancelled: ") }
	}},
	{"in_a_response_that_waits_for_room", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.wire(t, fmt.Sprintf("GET /fill?key=%s&n=%d HTTP/1.1\nHost: h\n\n", key, 256<<20))
		_, err := io.ReadFull(w.response("GET").Body, make([]byte, 100000))
		require.NoError(t, err)
		return w, func() { assert.Contains(t, s.await(t, key+"/end"), "error: ") }
	}},
	{"in_a_sendfile", inFile("/file")},
	{"in_a_file_that_is_read", inFile("/read/file")},
	{"in_an_idle_websocket", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.tunnel(t, "how=lines&key="+key)
		w.says("hello")
		return w, func() { assert.NotEmpty(t, s.await(t, key+"/out")) }
	}},
	{"in_a_websocket_that_sends", func(t *testing.T, s *server) (*wire, func()) {
		key := newKey()
		w := s.tunnel(t, fmt.Sprintf("how=fill&n=%d&key=%s", 256<<20, key))
		_, err := io.ReadFull(w.r, make([]byte, 100000))
		require.NoError(t, err)
		return w, func() { assert.Contains(t, s.await(t, key+"/out"), "write") }
	}},
	{"between_two_requests", func(t *testing.T, s *server) (*wire, func()) {
		w := s.wire(t, "GET /facts/x HTTP/1.1\nHost: h\n\n")
		assert.NoError(t, w.answer("GET").err)
		return w, func() {}
	}},
}

// inFile is a stage in the middle of a response from a file.
func inFile(target string) func(t *testing.T, s *server) (*wire, func()) {
	return func(t *testing.T, s *server) (*wire, func()) {
		path, key := patternFile(t, "leave", 64<<20), newKey()
		w := s.wire(t, "GET "+target+"?key="+key+"&path="+path+" HTTP/1.1\nHost: h\n\n")
		_, err := io.ReadFull(w.response("GET").Body, make([]byte, 100000))
		require.NoError(t, err)
		return w, func() {
			assert.NotEmpty(t, s.copied(t, key).Err)
			s.awaitOpenFiles(t, path, "0")
		}
	}
}

// The ways a client leaves: it closes, or its machine resets the connection.
var farewells = map[string]func(t *testing.T, c net.Conn){
	"fin": func(t *testing.T, c net.Conn) { c.Close() },
	"rst": reset,
}

func reset(t *testing.T, c net.Conn) {
	require.NoError(t, c.(*net.TCPConn).SetLinger(0))
	c.Close()
}

// bystander is a request that is there all the time; what it returns ends it,
// and asserts that nothing has happened to it.
func bystander(t *testing.T, s *server) func() {
	t.Helper()
	key := newKey()
	w := s.wire(t, "GET /hold?send=begin+&key="+key+" HTTP/1.1\nHost: h\n\n")
	s.await(t, key+"/in")
	return func() {
		s.tell(t, key+"/go")
		require.NoError(t, w.SetDeadline(time.Now().Add(patience)))
		a := w.answer("GET")
		assert.NoError(t, a.err)
		assert.Equal(t, "begin held", a.body)
	}
}

func TestFaults_ClientThatLeavesAtAnyStageHarmsNobody(t *testing.T) {
	onEachServer(t, func(t *testing.T, s *server) {
		finish := bystander(t, s)
		for how, leave := range farewells {
			for _, stage := range stages {
				t.Run(how+"/"+stage.name, func(t *testing.T) {
					w, noticed := stage.reach(t, s)
					leave(t, w.Conn)
					noticed()
					assert.Equal(t, 200, s.get(t, "/facts/x").StatusCode)
				})
			}
		}
		finish()
	})
}

// That the stages are what they are called.
func TestFaults_FilesGoOutBySendfileUnlessTheyAreRead(t *testing.T) {
	sent := countSendfile(t)
	for _, h := range faultHosts {
		t.Run(h.name, func(t *testing.T) {
			s := h.start(t)
			for target, sendfile := range map[string]bool{"/file": true, "/read/file": false} {
				before := sent()
				w, noticed := inFile(target)(t, s)
				w.Close()
				noticed()
				assert.Equal(t, sendfile, sent() > before, target)
			}
		})
	}
}

// With HTTP/2 a connection that is reset takes all its streams along.
func TestFaults_ResetHTTP2ConnectionCancelsAllItsStreams(t *testing.T) {
	for _, start := range []func(*testing.T) *server{startNginxHTTP2, startApacheHTTP2} {
		s := start(t)
		t.Run(s.name, func(t *testing.T) {
			unharmed(t, s)
			var connection net.Conn
			lost := overHTTP2(newServer(s.name, s.base, func() (c net.Conn, err error) {
				connection, err = s.dial()
				return connection, err
			}, s.log))
			var streams sync.WaitGroup
			var keys []string
			for _, query := range []string{"", "send=begin&", "read=1&"} {
				key := newKey()
				keys = append(keys, key)
				streams.Go(func() {
					a, err := lost.try("GET", "/hold?"+query+"key="+key, nil)
					assert.Error(t, errors.Join(err, a.err))
				})
				s.await(t, key+"/in")
			}
			reset(t, connection)
			streams.Wait()
			for _, key := range keys {
				assert.Contains(t, s.await(t, key+"/done"), "cancelled: ")
			}
		})
	}
}

// RST_STREAM ends a stream and leaves the others of the connection.
func TestFaults_CancelledHTTP2StreamLeavesTheOthers(t *testing.T) {
	for _, start := range []func(*testing.T) *server{startNginxHTTP2, startApacheHTTP2} {
		s := start(t)
		t.Run(s.name, func(t *testing.T) {
			unharmed(t, s)
			stays := newKey()
			other := make(chan answer, 1)
			go func() {
				a, err := s.try("GET", "/hold?key="+stays, nil)
				assert.NoError(t, err)
				other <- a
			}()
			s.await(t, stays+"/in")
			for _, query := range []string{"", "send=begin&", "read=1&"} {
				key := newKey()
				ctx, leave := context.WithCancel(t.Context())
				req, err := http.NewRequestWithContext(ctx, "POST", s.base+"/hold?"+query+"key="+key, http.NoBody)
				require.NoError(t, err)
				failed := make(chan error, 1)
				go func() {
					res, err := s.client.Do(req)
					if err == nil {
						_, err = io.Copy(io.Discard, res.Body)
					}
					failed <- err
				}()
				s.await(t, key+"/in")
				leave()
				assert.Error(t, <-failed)
				assert.Contains(t, s.await(t, key+"/done"), "cancelled: ")
			}
			s.tell(t, stays+"/go")
			assert.Equal(t, "held", (<-other).body)
		})
	}
}
