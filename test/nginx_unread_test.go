// Bodies that nobody reads, and clients that leave in them.

package test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// A client that sends its whole body, whatever comes back meanwhile, gets the
// answer from nginx as from net/http. Then the connection ends, but nginx keeps
// one whose body has come to its end by then.
func TestNginx_BodyLeftUnreadEndsTheConnectionAfterTheAnswer(t *testing.T) {
	plain := httptest.NewServer(behave.Handler())
	defer plain.Close()
	oracle := newServer("net/http", plain.URL, dialTCP(strings.TrimPrefix(plain.URL, "http://")), nil)
	ask := func(t *testing.T, s *server, target string, size int) (status int, body string, closed bool) {
		w := s.wire(t, fmt.Sprintf("POST %s HTTP/1.1\nHost: h\nContent-Length: %d\n\n", target, size))
		sent := make(chan struct{})
		go func() {
			io.WriteString(w, strings.Repeat("b", size)) // until nobody takes it any more
			close(sent)
		}()
		a := w.answer("POST")
		require.NoError(t, a.err)
		if !a.Close {
			<-sent
			w.send("GET /facts/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			assert.Equal(t, 200, w.answer("GET").StatusCode)
		}
		_, err := w.r.ReadByte()
		assert.Equal(t, io.EOF, err)
		return a.StatusCode, a.body, a.Close
	}
	plainAndTLS(t, conf{}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		for _, target := range []string{"/unread", "/unread?status=403", "/limited?max=1000"} {
			for _, size := range []int{500_000, 4 << 20} {
				wantStatus, wantBody, closed := ask(t, oracle, target, size)
				require.True(t, closed)
				status, body, _ := ask(t, n.server, target, size)
				assert.Equal(t, wantStatus, status, target)
				assert.Equal(t, wantBody, body, target)
			}
		}
		// The rest of this body never comes.
		w := n.wire(t, "POST /unread HTTP/1.1\nHost: h\nContent-Length: 5000000\n\nbegin")
		a := w.answer("POST")
		assert.True(t, a.Close)
		rest, err := w.rest()
		assert.NoError(t, err)
		assert.Empty(t, rest)
	})
}

func TestNginx_ClientLeavingInABodyThatIsNotReadCancelsTheContext(t *testing.T) {
	plainAndTLS(t, conf{}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		for _, c := range []struct {
			head string
			size int
		}{
			{"Content-Length: 10000000\n\n", 10}, {"Transfer-Encoding: chunked\n\n989680\n", 10}, // less than the window
			// More, but as much as the sockets hold: behind what they do not, the
			// end does not arrive either.
			{"Content-Length: 10000000\n\n", 150_000},
		} {
			key := newKey()
			w := n.wire(t, "POST /hold?key="+key+" HTTP/1.1\nHost: h\n"+c.head)
			n.await(t, key+"/in")
			w.send(strings.Repeat("b", c.size))
			tcpOf(w.Conn).Close()
			assert.Contains(t, n.await(t, key+"/done"), "cancelled: ", c)
		}
	})
}

// The sockets of clients that have left are gone long before keepalive_timeout.
func TestNginx_DepartedClientsLeaveNoSockets(t *testing.T) {
	n := conf{http: "keepalive_timeout 1h; lingering_timeout 1h; lingering_time 1h; client_body_timeout 1h;"}.start(t)
	returnsToBaseline(t, n.server)
	for _, request := range []string{
		"GET /facts/x HTTP/1.1\nHost: h\n\n",
		"GET /bytes?n=10000000 HTTP/1.1\nHost: h\n\n",
		"POST /echo HTTP/1.1\nHost: h\nContent-Length: 5000\n\nhello",
		"POST /unread HTTP/1.1\nHost: h\nContent-Length: 5000\n\nhello",
		"POST /unread HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n1000\nhello",
	} {
		for i := range 100 {
			w := n.wire(t, request)
			if i%3 == 0 {
				require.NoError(t, tcpOf(w.Conn).SetLinger(0))
			}
			if i%2 == 0 && strings.HasPrefix(request, "GET") {
				w.response("GET")
			}
			w.Close()
		}
	}
}
