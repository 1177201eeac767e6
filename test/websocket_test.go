// WebSockets by other people's packages, the same rows against every host that
// hands connections over.

package test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// socketHosts serve the applications of frameworks/apps below /with/.
var socketHosts = []struct {
	name  string
	start func(*testing.T) *server
}{
	{"net/http", func(t *testing.T) *server {
		addr := startPlain(t)
		return newServer("net/http", "http://"+addr, dialTCP(addr), nil)
	}},
	{"nginx", func(t *testing.T) *server { return withFrameworks(t).start(t).server }},
	{"nginx-tls", func(t *testing.T) *server { return newAuthority(t).start(t, withFrameworks(t)).server }},
	{"apache", func(t *testing.T) *server {
		return apacheConf{library: frameworksLibrary(t), host: everyApache + withInApache}.start(t).server
	}},
	{"apache-tls", func(t *testing.T) *server {
		_, ca, connect := tlsApacheWith(t, frameworksLibrary(t), everyApache+withInApache)
		s := connect(false)
		addr := strings.TrimPrefix(s.base, "https://")
		s.dial = func() (net.Conn, error) {
			return tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, ca.clientConfig())
		}
		return s
	}},
}

// withFrameworks is nginx with the applications of frameworks/apps.
func withFrameworks(t *testing.T) conf {
	return conf{library: frameworksLibrary(t), server: everything + "location /with/ { pillion_pass with; }"}
}

// socketRows get the path of an echo.
var socketRows = []struct {
	name string
	run  func(t *testing.T, s *server, path string)
}{
	{"messages_come_back", func(t *testing.T, s *server, path string) {
		ws := s.socket(t, path)
		for _, n := range []int{0, 1, 125, 126, 127, 4096, 30000} {
			ws.send(opText, strings.Repeat("m", n))
			op, payload := ws.receive()
			assert.EqualValues(t, opText, op)
			assert.Equal(t, strings.Repeat("m", n), payload)
		}
	}},
	{"both_ways_at_once", func(t *testing.T, s *server, path string) {
		const count, size = 400, 30000 // the default limit of coder/websocket is 32768
		ws := s.socket(t, path)
		message := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), size) }
		failed := make(chan error, 1)
		go func() {
			var err error
			for i := 0; i < count && err == nil; i++ {
				_, err = io.WriteString(ws, frame(opBinary, message(i)))
			}
			failed <- err
		}()
		for i := range count {
			if _, payload := ws.receive(); payload != message(i) {
				t.Fatalf("message %d is another", i)
			}
		}
		assert.NoError(t, <-failed)
	}},
	{"ping_is_answered", func(t *testing.T, s *server, path string) {
		ws := s.socket(t, path)
		ws.send(opPing, "are you there")
		op, payload := ws.receive()
		assert.EqualValues(t, opPong, op)
		assert.Equal(t, "are you there", payload)
	}},
	{"closing_handshake_ends_the_connection", func(t *testing.T, s *server, path string) {
		ws := s.socket(t, path)
		ws.send(opClose, "\x03\xe8")
		op, payload := ws.receive()
		assert.EqualValues(t, opClose, op)
		assert.Equal(t, "\x03\xe8", payload)
		rest, err := ws.rest()
		assert.NoError(t, err)
		assert.Empty(t, rest)
	}},
	{"clients_may_vanish", func(t *testing.T, s *server, path string) {
		for i := range 20 {
			ws := s.socket(t, path)
			ws.send(opText, "hello")
			ws.receive()
			if i%2 == 0 {
				require.NoError(t, tcpOf(ws.Conn).SetLinger(0)) // a reset
			}
			ws.Close()
		}
	}},
	{"many_sockets_at_once", func(t *testing.T, s *server, path string) {
		var sockets []socket
		for range 50 {
			sockets = append(sockets, s.socket(t, path))
		}
		for i, ws := range sockets {
			ws.send(opText, fmt.Sprint("from ", i))
		}
		for i, ws := range sockets {
			_, payload := ws.receive()
			assert.Equal(t, fmt.Sprint("from ", i), payload)
		}
	}},
	{"request_that_asks_for_no_upgrade_is_answered", func(t *testing.T, s *server, path string) {
		a := s.get(t, path)
		assert.GreaterOrEqual(t, a.StatusCode, 400)
		assert.Less(t, a.StatusCode, 500)
	}},
}

func TestWebSocket(t *testing.T) {
	for _, h := range socketHosts {
		t.Run(h.name, func(t *testing.T) {
			s := h.start(t)
			if h.name != "net/http" {
				returnsToBaseline(t, s)
			}
			for _, path := range []string{"gorilla-websocket", "coder-websocket"} {
				for _, row := range socketRows {
					t.Run(path+"/"+row.name, func(t *testing.T) { row.run(t, s, "/with/"+path+"/") })
				}
			}
			t.Run("a_message_may_follow_the_handshake_at_once", func(t *testing.T) {
				// gorilla/websocket refuses that.
				w := s.wire(t, fmt.Sprintf(upgrade, "/with/coder-websocket/"))
				w.send(frame(opText, "first") + frame(opText, "second"))
				ws := socketOf(w)
				for _, want := range []string{"first", "second"} {
					_, payload := ws.receive()
					assert.Equal(t, want, payload)
				}
			})
			t.Run("server_closes_on_a_message_beyond_its_limit", func(t *testing.T) {
				ws := s.socket(t, "/with/coder-websocket/")
				message := frame(opBinary, strings.Repeat("x", 1<<20))
				if h.name == "net/http" {
					// It closes without lingering: on bytes left unread, that is a reset,
					// which may destroy the answer. So no byte more than it reads.
					message = message[:len(message)-1<<20+32<<10+1]
				}
				ws.wire.send(message)
				op, payload := ws.receive()
				assert.EqualValues(t, opClose, op)
				assert.Equal(t, "\x03\xf1", payload[:2], "1009, too big")
			})
		})
	}
}

func TestNginx_ThousandIdleWebSocketsAreGoroutinesNotThreads(t *testing.T) {
	c := withFrameworks(t)
	c.main = "worker_rlimit_nofile 8192;"
	n := c.start(t)
	returnsToBaseline(t, n.server)
	// What the runtime starts under load is there before.
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if res, err := n.client.Get(n.base + "/bytes?n=100000"); assert.NoError(t, err) {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	n.client.CloseIdleConnections()
	const count = 1000
	before, threadsBefore := n.runtime(t, "gc=1"), threads(t, n.workers(1)[0])

	var sockets []socket
	for i := range count {
		path := "/with/gorilla-websocket/"
		if i%2 == 0 {
			path = "/with/coder-websocket/"
		}
		sockets = append(sockets, n.socket(t, path))
	}
	now := n.runtime(t, "gc=1")
	assert.GreaterOrEqual(t, now.Goroutines, count) // those before may wait, and be used again
	assert.LessOrEqual(t, threads(t, n.workers(1)[0]), threadsBefore+30)
	assert.LessOrEqual(t, now.Files, before.Files+count+5)
	t.Logf("%d WebSockets: %d goroutines, %d threads (%d before), %.0f KiB of memory each",
		count, now.Goroutines, threads(t, n.workers(1)[0]), threadsBefore, float64(now.RSS-before.RSS)/count/1024)

	for i, ws := range sockets {
		ws.SetDeadline(time.Now().Add(patience))
		ws.send(opText, fmt.Sprint(i))
	}
	for i, ws := range sockets {
		_, payload := ws.receive()
		require.Equal(t, fmt.Sprint(i), payload)
		ws.Close()
	}
}
