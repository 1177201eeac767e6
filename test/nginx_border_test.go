// nginx at its edges: HTTP/2 both ways at once, other sockets, bodies on disk.

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func useProtocol(s *server, protocol string) {
	if protocol == "http2" {
		transport := s.client.Transport.(*http.Transport)
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
}

// Over HTTP/2 the stream's window is what stops the two ends: 64 KiB at nginx
// for an upload, 4 MiB at this client for a download.
func TestNginx_HTTP2BackPressure(t *testing.T) {
	n := conf{listen: "http2"}.start(t)
	useProtocol(n.server, "http2")
	returnsToBaseline(t, n.server)
	const size = 32 << 20

	key := newKey()
	req, err := http.NewRequest("GET", fmt.Sprintf("%s/fill?key=%s&n=%d", n.base, key, size), nil)
	require.NoError(t, err)
	res, err := n.client.Do(req)
	require.NoError(t, err)
	taken := stall(t, func() int64 { return n.count(t, key) })
	assert.Less(t, taken, int64(4<<20+inPassing))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, behave.PatternHash(key, size), hash(string(body)))

	key = newKey()
	var sent counting
	req, err = http.NewRequest("POST", n.base+"/slow-upload?first=1000&key="+key, io.TeeReader(behave.Pattern(key, size), &sent))
	require.NoError(t, err)
	req.ContentLength = size
	got := make(chan answer, 1)
	go func() { got <- n.send(t, req) }()
	n.await(t, key+"/first")
	assert.Less(t, stall(t, sent.n.Load), int64(inPassing))
	n.tell(t, key+"/go")
	var sum behave.Sum
	(<-got).into(t, &sum)
	assert.Equal(t, behave.PatternHash(key, size), sum.SHA256)
}

func TestNginx_OtherSocketsAndVersions(t *testing.T) {
	port := freePort(t)
	n := conf{servers: fmt.Sprintf(`
		server { listen unix:@dir@/socket; location / { pillion_pass behave; } }
		server { listen [::1]:%d; location / { pillion_pass behave; } }`, port)}.start(t)
	unix := newServer("unix", "http://localhost", func() (net.Conn, error) { return net.Dial("unix", n.path("socket")) }, n.log)
	defer unix.client.CloseIdleConnections()
	var f behave.Facts
	unix.get(t, "/facts/x").into(t, &f)
	assert.EqualValues(t, "@", f.Remote)
	assert.EqualValues(t, "localhost", f.Host)

	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		six := newServer("six", fmt.Sprintf("http://[::1]:%d", port), dialTCP(fmt.Sprintf("[::1]:%d", port)), n.log)
		defer six.client.CloseIdleConnections()
		six.get(t, "/facts/x").into(t, &f)
		assert.Regexp(t, `^\[::1\]:\d+$`, string(f.Remote))
		assert.Equal(t, "::1", strings.Trim(f.Variable("SERVER_ADDR"), "[]"))
	}

	rest, err := n.wire(t, "GET /other\n").rest() // HTTP/0.9
	assert.NoError(t, err)
	assert.NotContains(t, rest, "HTTP/1.1 5")
	assert.Equal(t, 400, n.wire(t, "GET /\x01 HTTP/1.1\nHost: h\n\n").answer("GET").StatusCode)
	assert.Equal(t, 400, n.wire(t, "GET /facts/x HTTP/1.1\n\n").answer("GET").StatusCode, "no Host")
}

func TestNginx_RequestsSeeTheAddressTheyCameTo(t *testing.T) {
	one, other := strconv.Itoa(freePort(t)), strconv.Itoa(freePort(t))
	n := conf{servers: fmt.Sprintf(`
		server { listen 127.0.0.1:%s; listen 127.0.0.2:%[1]s; location / { pillion_pass behave; } }
		server { listen 127.0.0.2:%[2]s; location / { pillion_pass behave; } }`, one, other)}.start(t)
	var servers []*server
	for _, addr := range []string{"127.0.0.1:" + one, "127.0.0.2:" + one, "127.0.0.2:" + other} {
		s := newServer(addr, "http://"+addr, dialTCP(addr), n.log)
		defer s.client.CloseIdleConnections()
		servers = append(servers, s)
	}
	// Now the same one again, now another, on the connections from before.
	for _, i := range []int{0, 0, 1, 2, 2, 0, 1, 1, 2} {
		s := servers[i]
		var f behave.Facts
		s.get(t, "/facts/x").into(t, &f)
		assert.Equal(t, s.name, net.JoinHostPort(f.Variable("SERVER_ADDR"), f.Variable("SERVER_PORT")))
	}
}

func TestNginx_BodyInAFileOrInOneBuffer(t *testing.T) {
	n := conf{server: `
		location / { pillion_pass behave; }
		location /file/ { client_body_in_file_only clean; pillion_request_buffering on; pillion_pass behave; pillion_script_name /file; }
		location /single/ { client_body_in_single_buffer on; client_body_buffer_size 1m; pillion_request_buffering on; pillion_pass behave; pillion_script_name /single; }
		location /again/ { pillion_request_buffering on; pillion_intercept_errors on; error_page 404 = /hash; pillion_pass behave; pillion_script_name /again; }`}.start(t)
	returnsToBaseline(t, n.server)
	for _, path := range []string{"/file/hash", "/single/hash"} {
		for _, size := range []int64{1, 5000, 300000} {
			var sum behave.Sum
			n.do(t, "POST", path, behave.Pattern("f", size)).into(t, &sum)
			assert.Equal(t, behave.PatternHash("f", size), sum.SHA256, path)
		}
	}
	// An error page asks as GET; the body goes along, as with proxy_pass.
	var sum behave.Sum
	n.do(t, "POST", "/again/unread?status=404", strings.NewReader("body")).into(t, &sum)
	assert.Equal(t, hash("body"), sum.SHA256)
}
