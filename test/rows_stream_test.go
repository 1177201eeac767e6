package test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// stall waits until a number does not grow any more and returns it: whoever
// makes it grow waits for something. Nothing tells that it will not go on a
// moment later, so a quarter of a second without growth has to do.
func stall(t *testing.T, number func() int64) int64 {
	t.Helper()
	return stallFor(t, 250*time.Millisecond, number)
}

func stallFor(t *testing.T, silence time.Duration, number func() int64) int64 {
	t.Helper()
	last, since := int64(-1), time.Now()
	eventually(t, "a stall", func() bool {
		if now := number(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > silence
	})
	return last
}

// inPassing bounds what may lie between two ends that wait for each other: the
// credit or window (64 KiB by default), the sockets' buffers (128 KiB asked for
// at the server, which Linux doubles, and what the test's side has), what a
// server or nginx holds itself.
const inPassing = 1 << 20

var streamRows = []row{
	{"flush_is_seen_at_once", func(t *testing.T, s *server) {
		// Piece i+1 is written only after the client has seen piece i.
		key := newKey()
		req, err := http.NewRequest("GET", fmt.Sprintf("%s/pieces?key=%s&n=20", s.base, key), nil)
		require.NoError(t, err)
		res, err := s.client.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		r := bufio.NewReader(res.Body)
		for i := range 20 {
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "piece "+strconv.Itoa(i)+"\n", line)
			s.tell(t, fmt.Sprintf("%s/%d", key, i))
		}
		_, err = r.ReadByte()
		assert.Equal(t, io.EOF, err)
	}},
	{"upload_and_download_at_the_same_time", func(t *testing.T, s *server) {
		// Each piece is sent only after the echo of the one before has come.
		pr, pw := io.Pipe()
		req, err := http.NewRequest("POST", s.base+"/echo?flush=1", pr)
		require.NoError(t, err)
		got := make(chan *http.Response, 1)
		go func() {
			res, err := s.client.Do(req)
			if assert.NoError(t, err) {
				got <- res
			}
			close(got)
		}()
		io.WriteString(pw, "first")
		res := <-got
		require.NotNil(t, res)
		defer res.Body.Close()
		_, err = io.ReadFull(res.Body, make([]byte, 5))
		require.NoError(t, err)
		for i := range 20 {
			piece := fmt.Sprintf("piece %d of a conversation\n", i)
			_, err := io.WriteString(pw, piece)
			require.NoError(t, err)
			echo := make([]byte, len(piece))
			_, err = io.ReadFull(res.Body, echo)
			require.NoError(t, err)
			require.Equal(t, piece, string(echo))
		}
		pw.Close()
		_, err = res.Body.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	}},
	{"slow_reader_stops_the_handler", func(t *testing.T, s *server) {
		// The handler counts the bytes its Write has taken. The client reads
		// none: the count must stop within a bound far below the 64 MiB, and
		// what the library holds in C memory below that.
		const n = 64 << 20
		key := newKey()
		w := s.slowWire(t, fmt.Sprintf("GET /fill?key=%s&n=%d HTTP/1.1\nHost: h\nConnection: close\n\n", key, n))
		s.await(t, key+"/start")
		before := s.runtime(t, "gc=1")
		taken := stall(t, func() int64 { return s.count(t, key) })
		assert.Less(t, taken, int64(inPassing))
		now := s.runtime(t, "gc=1")
		if now.Counts != nil {
			assert.Less(t, now.Counts.Buffered, int64(256<<10))
		}
		s.awaitMemory(t, before, 8<<20)

		w.widen()
		res := w.response("GET")
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		assert.Equal(t, behave.PatternHash(key, n), hash(string(body)))
		assert.Equal(t, "done", s.await(t, key+"/end"))
	}},
	{"slow_handler_stops_the_upload", func(t *testing.T, s *server) {
		// The handler reads 1000 bytes and waits. The client sends as much as
		// goes; what the sockets and the window take is bounded.
		const n = 32 << 20
		key := newKey()
		w := s.slowWire(t, fmt.Sprintf("POST /slow-upload?key=%s&first=1000 HTTP/1.1\nHost: h\nContent-Length: %d\n\n", key, n))
		var sent counting
		done := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.MultiWriter(w.Conn, &sent), behave.Pattern(key, n))
			done <- err
		}()
		assert.Equal(t, "1000", s.await(t, key+"/first"))
		before := s.runtime(t, "gc=1")
		took := stall(t, sent.n.Load)
		assert.Less(t, took, int64(inPassing))
		now := s.runtime(t, "gc=1")
		if now.Counts != nil {
			assert.Less(t, now.Counts.Buffered, int64(512<<10)) // nginx's window is 256 KiB
		}
		s.awaitMemory(t, before, 8<<20)

		w.widen()
		s.tell(t, key+"/go")
		require.NoError(t, <-done)
		var sum behave.Sum
		w.answer("POST").into(t, &sum)
		assert.Equal(t, behave.Sum{Bytes: n, SHA256: behave.PatternHash(key, n), Length: n}, sum)
	}},
	{"early_answer_to_an_upload", func(t *testing.T, s *server) {
		// The answer comes although the body has not been sent.
		pr, pw := io.Pipe()
		defer pw.Close()
		go pw.Write([]byte("a beginning"))
		req, err := http.NewRequest("POST", s.base+"/unread?status=403", pr)
		require.NoError(t, err)
		req.ContentLength = 1 << 20
		a := s.send(t, req)
		assert.Equal(t, 403, a.StatusCode)
		assert.Equal(t, "not read, of 1048576", a.body)
	}},
}

// awaitMemory waits until the process has less than that much more memory than
// before: what the collector has given back, the system takes by and by.
func (s *server) awaitMemory(t *testing.T, before behave.Runtime, more int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("less than %d KiB of memory more", more>>10), func() bool {
		return s.runtime(t, "gc=1").RSS-before.RSS < more
	})
}

// widen ends the slowness of slowWire.
func (w *wire) widen() {
	if tcp := tcpOf(w.Conn); tcp != nil {
		tcp.SetReadBuffer(4 << 20)
		tcp.SetWriteBuffer(4 << 20)
	}
}

// slowWire is wire over a connection with small buffers.
func (s *server) slowWire(t *testing.T, text string) *wire {
	t.Helper()
	dial := s.dial
	defer func() { s.dial = dial }()
	s.dial = func() (net.Conn, error) {
		c, err := dial()
		if tcp := tcpOf(c); tcp != nil {
			tcp.SetReadBuffer(16 << 10)
			tcp.SetWriteBuffer(16 << 10)
		}
		return c, err
	}
	return s.wire(t, text)
}

// tcpOf is the TCP connection that c is or goes over, nil if there is none.
func tcpOf(c net.Conn) *net.TCPConn {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	tcp, _ := c.(*net.TCPConn)
	return tcp
}
