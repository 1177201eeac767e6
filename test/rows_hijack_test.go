package test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// hijacked has a connection taken over, for what the application is to do with
// it then; more is sent along with the request.
func (s *server) hijacked(t *testing.T, key, how, more string) *wire {
	t.Helper()
	w := s.wire(t, "GET /hijack?key="+key+"&how="+how+" HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: raw\n\n"+more)
	res := w.response("GET")
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(t, "raw", res.Header.Get("Upgrade"))
	return w
}

// expect reads exactly that text.
func (w *wire) expect(text string) {
	w.t.Helper()
	b := make([]byte, len(text))
	n, err := io.ReadFull(w.r, b)
	require.NoError(w.t, err, "%q", b[:n])
	require.Equal(w.t, text, string(b))
}

// closeWrite says that the client sends no more, where its connection can.
func (w *wire) closeWrite() bool {
	half, ok := w.Conn.(interface{ CloseWrite() error })
	return ok && assert.NoError(w.t, half.CloseWrite())
}

// reset closes the connection with a reset.
func (w *wire) reset() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	w.Close()
}

var hijackRows = []row{
	{"hijacked_connection_talks_both_ways", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "lines", "")
		for i := range 5 {
			w.send(fmt.Sprintf("line %d\n", i))
			w.expect(fmt.Sprintf("you said line %d\n", i))
		}
		w.Close()
		s.await(t, key+"/out")
	}},
	{"bytes_after_the_request_are_the_connections_first", func(t *testing.T, s *server) {
		w := s.hijacked(t, newKey(), "lines", "early\nbird\n")
		w.expect("you said early\r\nyou said bird\r\n")
		w.send("late\n")
		w.expect("you said late\n")
	}},
	{"head_written_before_hijack_is_sent", func(t *testing.T, s *server) {
		w := s.hijacked(t, newKey(), "head-first", "")
		w.send("hello")
		w.expect("hello")
	}},
	{"hijacked_connection_is_closed_by_the_application", func(t *testing.T, s *server) {
		w := s.hijacked(t, newKey(), "bye", "")
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.Equal(t, "bye", rest)
	}},
	{"end_of_what_the_client_sends_is_EOF", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "echo", "")
		w.send("hello")
		w.expect("hello")
		if !w.closeWrite() {
			return // a pipe has no half
		}
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.Empty(t, rest)
		assert.Equal(t, "<nil>", s.await(t, key+"/out"))
	}},
	{"hijacked_connection_outlives_its_handler", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "leave", "")
		s.await(t, key+"/in")
		for range 3 {
			w.send("still here")
			w.expect("still here")
			s.whole(t, "/facts/other")
		}
		w.Close()
		s.await(t, key+"/out")
	}},
	{"hijacked_connection_has_deadlines", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "deadline", "")
		w.expect("ask")
		w.send("answer")
		assert.Equal(t, "<nil>", s.await(t, key+"/out"))
	}},
	{"hijacked_response_is_out_of_bounds", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "rules", "")
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.Equal(t, "done", rest)
		assert.Equal(t, "<nil>", s.await(t, key+"/out"))
		s.awaitLog(t, "WriteHeader on a hijacked connection")
	}},
	{"hijack_after_the_head_fails", func(t *testing.T, s *server) {
		assert.Equal(t, "true", s.whole(t, "/hijack?how=after-head").body)
	}},
	{"32_MiB_go_through_a_hijacked_connection", func(t *testing.T, s *server) {
		const n = 32 << 20
		w := s.hijacked(t, newKey(), "echo", "")
		sent := make(chan error, 1)
		go func() {
			_, err := io.Copy(w.Conn, behave.Pattern("raw", n))
			sent <- err
		}()
		h := sha256.New()
		_, err := io.CopyN(h, w.r, n)
		require.NoError(t, err)
		assert.NoError(t, <-sent)
		assert.Equal(t, behave.PatternHash("raw", n), hex.EncodeToString(h.Sum(nil)))
	}},
	{"client_leaving_fails_the_hijacked_write", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "fill&n="+strconv.Itoa(1<<30), "")
		_, err := io.CopyN(io.Discard, w.r, 100000)
		require.NoError(t, err)
		w.reset()
		assert.NotEqual(t, "<nil>", s.await(t, key+"/out"))
	}},
	{"client_leaving_ends_the_hijacked_read", func(t *testing.T, s *server) {
		key := newKey()
		w := s.hijacked(t, key, "lines", "")
		s.await(t, key+"/in")
		w.reset()
		assert.NotEqual(t, "<nil>", s.await(t, key+"/out"))
	}},
	{"many_hijacked_connections_at_once", func(t *testing.T, s *server) {
		const many = 300
		before := s.runtime(t, "")
		key := newKey()
		wires := make([]*wire, many)
		for i := range wires {
			wires[i] = s.hijacked(t, key, []string{"echo", "leave"}[i%2], "")
		}
		for i, w := range wires {
			text := fmt.Sprintf("this is connection %d", i)
			w.send(text)
			w.expect(text)
		}
		now := s.runtime(t, "")
		assert.Greater(t, now.Running, many, "these, and the request that asks")
		if s.name != "memory" { // whose client and server are goroutines themselves
			assert.LessOrEqual(t, now.Goroutines, before.Goroutines+2*many+50)
		}
		for _, w := range wires {
			w.Close()
		}
		eventually(t, "the connections to have ended", func() bool {
			return s.runtime(t, "").Running <= before.Running
		})
	}},
}

// TestBehaviour_StopEndsHijackedConnections stops servers while connections are taken
// over; what they must not leave behind startC asserts.
func TestBehaviour_StopEndsHijackedConnections(t *testing.T) {
	for _, drive := range []string{"serve", "queue"} {
		t.Run(drive, func(t *testing.T) {
			s := startC(t, drive)
			for _, how := range []string{"echo", "leave", "lines"} {
				key := newKey()
				s.hijacked(t, key, how, "")
				s.await(t, key+"/in")
			}
		})
	}
}

// TestQueue_IdleConnectionsCostNoThreads has an event loop with a thousand of
// them.
func TestQueue_IdleConnectionsCostNoThreads(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	const many = 1000
	require.Greater(t, limit.Max, uint64(many+100))
	s := startC(t, "queue")
	wires := make([]*wire, many)
	for i := range wires {
		wires[i] = s.hijacked(t, "idle", "echo", "")
	}
	now := s.runtime(t, "")
	assert.Less(t, threads(t, now.Pid), 50)
	assert.GreaterOrEqual(t, now.Running, many)
	last := wires[many-1]
	last.send("hello")
	last.expect("hello")
	for _, w := range wires {
		w.Close()
	}
	eventually(t, "the connections to have ended", func() bool { return s.runtime(t, "").Running <= 1 })
}

// threads is how many a process has.
func threads(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	return len(entries)
}
