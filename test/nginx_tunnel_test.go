// Connections that applications take over inside nginx.

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tunnel has the application take a connection over, and reads its answer.
func (s *server) tunnel(t *testing.T, query string) *wire {
	t.Helper()
	w := s.wire(t, "GET /hijack?"+query+" HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: raw\n\n")
	require.Equal(t, http.StatusSwitchingProtocols, w.response("GET").StatusCode)
	return w
}

// says sends a line and reads what the application says to it.
func (w *wire) says(line string) {
	w.t.Helper()
	w.send(line + "\n")
	answer, err := w.r.ReadString('\n')
	require.NoError(w.t, err)
	assert.Equal(w.t, "you said "+line+"\n", answer)
}

// plainAndTLS runs f against nginx without and with TLS.
func plainAndTLS(t *testing.T, c conf, f func(t *testing.T, n *nginx)) {
	t.Run("plain", func(t *testing.T) { f(t, c.start(t)) })
	t.Run("tls", func(t *testing.T) { f(t, newAuthority(t).start(t, c)) })
}

func TestNginx_TunnelOutlivesTimeoutsOfRequests(t *testing.T) {
	t.Parallel()
	n := conf{http: "client_header_timeout 1s;", server: everything + `
		location = /hijack {
			pillion_pass behave;
			pillion_read_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; send_timeout 1s;
		}`}.start(t)
	returnsToBaseline(t, n.server)
	w := n.tunnel(t, "how=lines")
	w.says("one")
	time.Sleep(3 * time.Second) // no event tells that nothing happens
	w.says("two")
}

func TestNginx_TunnelTimeoutEndsIdleTunnels(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, conf{http: "pillion_tunnel_timeout 3s;"}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		key := newKey()
		w := n.tunnel(t, "how=lines&key="+key)
		for begin := time.Now(); time.Since(begin) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
			w.says("still there")
		}
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.Empty(t, rest)
		assert.NotEqual(t, "EOF", n.await(t, key+"/out"))
		n.awaitLog(t, "was idle")
	})
}

func TestNginx_TunnelTimeoutEndsTunnelsThatAreNotRead(t *testing.T) {
	plainAndTLS(t, conf{http: "pillion_tunnel_timeout 400ms;"}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		key := newKey()
		n.tunnel(t, "how=fill&n=1000000000&key="+key)
		n.await(t, key+"/out")
		n.awaitLog(t, "was idle")
	})
}

func TestNginx_TunnelOfAClientThatDoesNotReadEnds(t *testing.T) {
	plainAndTLS(t, conf{http: "send_timeout 300ms;"}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		key := newKey()
		n.tunnel(t, fmt.Sprintf("how=fill&n=%d&key=%s", 256<<20, key))
		assert.Contains(t, n.await(t, key+"/out"), "write")
	})
}

func TestNginx_TunnelEndsForEachSideAlone(t *testing.T) {
	plainAndTLS(t, conf{}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		w := n.tunnel(t, "how=echo")
		const size = 4 << 20
		sent := strings.Repeat("0123456789abcdef", size/16)
		failed := make(chan error, 1)
		go func() {
			_, err := io.WriteString(w, sent)
			if err == nil {
				err = w.Conn.(interface{ CloseWrite() error }).CloseWrite()
			}
			failed <- err
		}()
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.NoError(t, <-failed)
		assert.Equal(t, hash(sent), hash(rest))
	})
}

func TestNginx_TunnelCloseComesAfterAllBytes(t *testing.T) {
	plainAndTLS(t, conf{}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		const size = 8 << 20
		w := n.tunnel(t, fmt.Sprintf("how=fill&n=%d", size))
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.Len(t, rest, size)

		// What the application has not read must not reset the connection.
		w = n.wire(t, "GET /hijack?how=bye HTTP/1.1\nHost: h\n\n"+strings.Repeat("unread", 1000))
		w.send(strings.Repeat("unread", 1000))
		w.response("GET")
		rest, err = w.rest()
		assert.NoError(t, err)
		assert.Equal(t, "bye", rest)
	})
}

func TestNginx_TunnelOfAVanishedClient(t *testing.T) {
	plainAndTLS(t, conf{}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		for _, c := range []struct{ how, out string }{{"lines", ""}, {"fill&n=1000000000", "write"}, {"echo", ""}} {
			for _, reset := range []bool{false, true} {
				key := newKey()
				w := n.tunnel(t, "how="+c.how+"&key="+key)
				if reset {
					require.NoError(t, tcpOf(w.Conn).SetLinger(0))
				}
				w.Close()
				assert.Contains(t, n.await(t, key+"/out"), c.out)
			}
		}
		// Clients that reset what they had only half closed.
		key := newKey()
		w := n.tunnel(t, "how=hold&key="+key)
		require.NoError(t, tcpOf(w.Conn).CloseWrite())
		require.NoError(t, tcpOf(w.Conn).SetLinger(0))
		w.Close()
		n.tell(t, key+"/go")
		n.await(t, key+"/out")

		key = newKey()
		w = n.tunnel(t, "how=fill&n=1000000000&key="+key)
		require.NoError(t, w.Conn.(interface{ CloseWrite() error }).CloseWrite())
		stall(t, func() int64 { return n.count(t, key) })
		require.NoError(t, tcpOf(w.Conn).SetLinger(0))
		require.NoError(t, tcpOf(w.Conn).Close())
		n.await(t, key+"/out")
	})
}

func TestNginx_TunnelThatIsNotReadStopsTheClient(t *testing.T) {
	plainAndTLS(t, conf{}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		key := newKey()
		w := n.tunnel(t, "how=hold&key="+key)
		require.NoError(t, tcpOf(w.Conn).SetWriteBuffer(64<<10))
		var sent atomic.Int64
		go func() {
			piece := make([]byte, 8<<10)
			for {
				k, err := w.Write(piece)
				sent.Add(int64(k))
				if err != nil {
					return
				}
			}
		}()
		assert.Less(t, stall(t, sent.Load), int64(inPassing))
		n.tell(t, key+"/go")
		assert.Equal(t, "<nil>", n.await(t, key+"/out"))
	})
}

func TestNginx_TunnelInTheAccessLog(t *testing.T) {
	n := conf{http: `log_format t '$status $body_bytes_sent $pillion_status $pillion_app $request_length'; access_log @dir@/tunnels t;`}.start(t)
	returnsToBaseline(t, n.server)
	w := n.tunnel(t, "how=lines")
	w.says("hello")
	w.Close()
	var entry string
	eventually(t, "the tunnel's entry", func() bool {
		for line := range strings.Lines(n.read("tunnels")) {
			if strings.HasPrefix(line, "101 ") {
				entry = line
			}
		}
		return entry != ""
	})
	request := len("GET /hijack?how=lines HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhello\n")
	assert.Equal(t, fmt.Sprintf("101 %d 101 behave %d\n", len("you said hello\n"), request), entry)
}

func TestNginx_TunnelsCountAsInFlight(t *testing.T) {
	n := conf{server: everything + "location = /hijack { pillion_pass behave; pillion_max_requests_in_flight 1; }"}.start(t)
	returnsToBaseline(t, n.server)
	w := n.tunnel(t, "how=lines")
	assert.Equal(t, 503, n.get(t, "/hijack?how=lines").StatusCode)
	w.Close()
	eventually(t, "the end of the first", func() bool {
		w := n.wire(t, "GET /hijack?how=lines HTTP/1.1\nHost: h\n\n")
		defer w.Close()
		return w.response("GET").StatusCode == http.StatusSwitchingProtocols
	})
}

func TestNginx_NoTunnelWhereThereIsNoConnectionToTake(t *testing.T) {
	n := conf{
		server: everything + `
			location = /sub { auth_request /asked; auth_request_set $why $sent_http_x_unsupported; error_page 500 @why; pillion_pass behave; }
			location = /asked { internal; rewrite ^ /hijack?how=echo break; pillion_pass behave; }
			location @why { add_header X-Why $why always; return 500; }`,
		servers: `server { listen unix:@dir@/h2 http2; location / { pillion_pass behave; } }`,
	}.start(t)
	returnsToBaseline(t, n.server)

	h2 := newServer("h2", "http://localhost", func() (net.Conn, error) { return net.Dial("unix", n.path("h2")) }, n.log)
	defer h2.client.CloseIdleConnections()
	useProtocol(h2, "http2")
	a := h2.whole(t, "/hijack?how=echo")
	assert.Equal(t, 2, a.ProtoMajor)
	assert.Equal(t, http.StatusNotImplemented, a.StatusCode)
	assert.Equal(t, "true", a.Header.Get("X-Unsupported"))

	a = n.whole(t, "/sub")
	assert.Equal(t, 500, a.StatusCode)
	assert.Equal(t, "true", a.Header.Get("X-Why"), "in a subrequest")
}

func TestNginx_ReloadLeavesTunnelsToTheOldWorker(t *testing.T) {
	n := conf{}.start(t)
	w := n.tunnel(t, "how=lines")
	w.says("before")
	old := n.workers(1)[0]
	n.client.CloseIdleConnections()
	n.signal(syscall.SIGHUP)
	eventually(t, "a new worker", func() bool { pid := n.tryRuntime().Pid; return pid != 0 && pid != old })
	w.says("after")
	assert.True(t, running(old))
	w.Close()
	eventually(t, "the old worker's end", func() bool { return !running(old) })
}

func TestNginx_ShutdownTimeoutEndsTunnels(t *testing.T) {
	plainAndTLS(t, conf{
		main: "worker_shutdown_timeout 500ms;",
		http: "pillion_env BEHAVE_STOP_FILE @dir@/apps/stopped;",
	}, func(t *testing.T, n *nginx) {
		w := n.tunnel(t, "how=lines")
		w.says("before")
		n.client.CloseIdleConnections()
		n.signal(syscall.SIGQUIT)
		_, err := w.rest()
		if err != nil {
			assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		<-n.exited
		assert.Equal(t, "stopped one\n", n.read("apps/stopped"))
	})
}
