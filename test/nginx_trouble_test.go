package test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// many is a configuration with most of what a response can go through.
const many = `
	location / { pillion_pass behave; }
	location /buffered/ { pillion_pass behave; pillion_script_name /buffered; pillion_request_buffering on; client_body_buffer_size 8k; }
	location /tiny/ { pillion_pass behave; pillion_script_name /tiny; pillion_buffer_size 1000; }
	location /hasty/ { pillion_pass behave; pillion_script_name /hasty; pillion_read_timeout 20ms; }
	location /few/ { pillion_pass behave; pillion_script_name /few; pillion_max_requests_in_flight 2; }
	location /stay/ { pillion_pass behave; pillion_script_name /stay; pillion_ignore_client_abort on; }
	location /zip/ { gzip on; gzip_types *; gzip_min_length 1; pillion_pass behave; pillion_script_name /zip; }
	location /ssi/ { ssi on; ssi_types *; pillion_pass behave; pillion_script_name /ssi; }
	location /seen/ { pillion_intercept_errors on; error_page 404 500 /facts/error; pillion_pass behave; pillion_script_name /seen; }
	location /auth/ { auth_request /allow; pillion_pass behave; pillion_script_name /auth; }
	location = /allow { internal; rewrite ^ /bytes?n=3000&seed=a break; pillion_pass behave; }
	location /mirrored/ { mirror /copy; pillion_pass behave; pillion_script_name /mirrored; }
	location = /copy { internal; rewrite ^ /bytes?n=300000&seed=a break; pillion_pass behave; }
	location /other { pillion_pass other; }
`

// TestNginx_RandomTroubleDoesNoHarm sends requests of all kinds, and leaves many
// of them at any moment. Nothing may be left, nor may nginx log an alert; the
// sanitizer run is what it is for.
func TestNginx_RandomTroubleDoesNoHarm(t *testing.T) {
	for _, protocol := range []string{"", "http2"} {
		t.Run("protocol_"+protocol, func(t *testing.T) {
			n := conf{server: many, listen: protocol}.start(t)
			useProtocol(n.server, protocol)
			returnsToBaseline(t, n.server)
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					c := newServer("trouble", n.base, n.dial, n.log)
					useProtocol(c, protocol)
					defer c.client.CloseIdleConnections()
					r := rand.New(rand.NewPCG(uint64(i), 7))
					for range 250 {
						c.trouble(r)
					}
				})
			}
			wg.Wait()
			assert.Equal(t, "the other application: /other", n.whole(t, "/other").body)
		})
	}
}

func useProtocol(s *server, protocol string) {
	if protocol == "http2" {
		transport := s.client.Transport.(*http.Transport)
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
}

// trouble sends one request and leaves, or does not. What comes of it is nobody's
// concern but the server's.
func (s *server) trouble(r *rand.Rand) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	mount := pick("", "", "/buffered", "/tiny", "/hasty", "/few", "/stay", "/zip", "/ssi", "/seen", "/auth", "/mirrored")
	ssi := behave.Spec{Headers: [][2]string{{"Content-Type", "text/html"}}, Pieces: []string{
		"a", `<!--# include virtual="/bytes?n=200000&seed=i" -->`, "b", `<!--# include virtual="/panic?n=5000" -->`, `<!--# include virtual="/tiny/bytes?n=5000&seed=i" -->`}}
	path := mount + pick("/facts/x", "/hash", "/echo", "/echo?flush=1", "/unread", "/unread?status=404", "/panic", "/panic?n=3000", "/panic?n=10&flush=1",
		"/goexit?n=10", "/bytes?n=500000&seed=t", "/bytes?n=500000&seed=t&length=1", "/fill?n=300000&key=trouble",
		"/pieces?n=3&key=never"+fmt.Sprint(r.IntN(1e9)), "/hold?key=never"+fmt.Sprint(r.IntN(1e9)), ssi.URL(),
		behave.Spec{Headers: [][2]string{{"X-Accel-Redirect", "/bytes?n=100000&seed=x"}}, Size: 100000}.URL(),
		behave.Spec{Headers: [][2]string{{"X-Accel-Redirect", "/tiny/panic?n=10&flush=1"}}}.URL(),
		behave.Spec{Headers: [][2]string{{"Content-Length", "100"}}, Pieces: []string{"few"}, Flush: true}.URL())

	ctx, leave := context.WithTimeout(context.Background(), time.Duration(r.IntN(60))*time.Millisecond)
	defer leave()
	method, length := "GET", 0
	var body io.Reader
	if r.IntN(2) == 0 {
		method, length = "POST", r.IntN(200000)
		body = behave.Pattern("t", int64(length))
		if r.IntN(4) == 0 { // never ends
			pr, pw := io.Pipe()
			defer pw.Close()
			go io.Copy(pw, behave.Pattern("t", int64(length)))
			body = pr
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		panic(err)
	}
	if body != nil && r.IntN(2) == 0 {
		req.ContentLength = int64(length + 1)
	}
	if mount == "/zip" {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return
	}
	if r.IntN(3) == 0 {
		io.CopyN(io.Discard, res.Body, int64(r.IntN(100000)))
	} else {
		io.Copy(io.Discard, res.Body)
	}
	res.Body.Close()
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
	// An error page asks as GET, without a body.
	var sum behave.Sum
	n.do(t, "POST", "/again/unread?status=404", strings.NewReader("body")).into(t, &sum)
	assert.Zero(t, sum.Bytes)
}
