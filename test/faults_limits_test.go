// Requests that are larger than what there is room for.

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// fields are how many header fields make a thousand with Host and another: nginx
// takes no more unless max_headers, where it has that, says so.
const fields = 998

func manyFields() string {
	var b strings.Builder
	for i := range fields {
		fmt.Fprintf(&b, "X-Field-%d: %d\n", i, i)
	}
	return b.String()
}

func TestFaults_HeaderBeyondTheServersLimitsIsRefusedByIt(t *testing.T) {
	onEachServer(t, func(t *testing.T, s *server) {
		long := "X-Long: " + strings.Repeat("l", 64<<10) + "\n"
		for name, head := range map[string]string{"long": long, "many": strings.Repeat(manyFields(), 3)} {
			w := s.wire(t, "")
			go io.WriteString(w, strings.ReplaceAll("GET /facts/x HTTP/1.1\nHost: h\n"+head+"\n", "\n", "\r\n"))
			assert.Contains(t, []int{400, 431}, w.answer("GET").StatusCode, name)
		}
	})
}

func TestFaults_HeaderWithinRaisedLimitsArrivesWhole(t *testing.T) {
	for _, h := range []faultHost{
		{"nginx", func(t *testing.T) *server {
			return conf{http: "large_client_header_buffers 8 128k;"}.start(t).server
		}},
		{"apache", func(t *testing.T) *server {
			return apacheConf{main: "LimitRequestFields 2000\nLimitRequestFieldSize 131072"}.start(t).server
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := h.start(t)
			unharmed(t, s)
			long := strings.Repeat("long", 16<<10)
			w := s.wire(t, "GET /facts/x HTTP/1.1\nHost: h\nX-Long: "+long+"\n"+manyFields()+"\n")
			var f behave.Facts
			w.answer("GET").into(t, &f)
			assert.Equal(t, []behave.Text{behave.Text(long)}, f.Header["X-Long"])
			for i := range fields {
				require.Equal(t, []behave.Text{behave.Text(fmt.Sprint(i))}, f.Header[fmt.Sprintf("X-Field-%d", i)])
			}
		})
	}
}

// The limit is Go's soft one: it makes the collector work, and refuses nothing.
// What bounds a request is the window of its body and the credit of its response;
// what a handler keeps is bounded by the handler, with http.MaxBytesReader, or by
// the server's limit of bodies.
func TestFaults_BodyLargerThanTheMemoryLimitIsNotHeld(t *testing.T) {
	const limit, size = 64 << 20, 256 << 20
	for _, h := range []faultHost{
		{"nginx", func(t *testing.T) *server {
			return conf{http: "pillion_memory_limit 64m;", server: everything + `
				location /small/ { pillion_pass behave; pillion_script_name /small; client_max_body_size 1m; }`}.start(t).server
		}},
		{"apache", func(t *testing.T) *server {
			return apacheConf{main: "PillionMemoryLimit 64M", host: everyApache + `
				PillionScriptAlias /small behave
				<Location "/small">
				  LimitRequestBody 1048576
				</Location>`}.start(t).server
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := h.start(t)
			unharmed(t, s)
			upload := func(path string, size int64) answer {
				req, err := http.NewRequest("POST", s.base+path, io.LimitReader(zeros{}, size))
				require.NoError(t, err)
				req.ContentLength = size
				return s.send(t, req)
			}
			whole := upload("/limited?max="+fmt.Sprint(size), size)
			assert.Equal(t, fmt.Sprint(size), whole.body, "a handler that keeps nothing")
			assert.Less(t, s.runtime(t, "").RSS, int64(2*limit))

			all := upload("/cross/x", limit+limit/4)
			assert.Greater(t, len(all.body), limit, "a handler that keeps all gets it, over the limit")
			eventually(t, "its memory is given back", func() bool { return s.runtime(t, "gc=1").RSS < 2*limit })

			key := newKey()
			w := s.wire(t, fmt.Sprintf("POST /hold?key=%s HTTP/1.1\nHost: h\nContent-Length: %d\n\n", key, int64(1)<<40))
			s.await(t, key+"/in")
			broken := make(chan error, 1)
			go func() {
				_, err := io.Copy(w.Conn.(*net.TCPConn), zeros{})
				broken <- err
			}()
			eventually(t, "the window is full", func() bool { return s.runtime(t, "").Counts.Buffered > 60<<10 || s.name == "apache" })
			assert.Less(t, s.runtime(t, "").Counts.Buffered, int64(1<<20), "a handler that does not read")
			s.tell(t, key+"/go")
			w.response("POST")
			w.Close()
			assert.Error(t, <-broken)

			a, err := s.try("POST", "/limited?max=100000", io.LimitReader(zeros{}, size))
			if err == nil {
				assert.Equal(t, 413, a.StatusCode, "http.MaxBytesReader")
			}
			w = s.wire(t, fmt.Sprintf("POST /small/hash HTTP/1.1\nHost: h\nContent-Length: %d\n\n", size))
			assert.Equal(t, 413, w.answer("POST").StatusCode, "the server's limit")
		})
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestNginx_FullDiskUnderABufferedBodyIs500(t *testing.T) {
	t.Parallel()
	page, env := newFaults(t)
	n := conf{env: env, allowed: []string{`No space left on device`}, server: everything + `
		location /buffered/ { pillion_pass behave; pillion_script_name /buffered; pillion_request_buffering on; client_body_buffer_size 16k; }`}.start(t)
	unharmed(t, n.server)
	finish := bystander(t, n.server)
	upload := func(path string) int {
		return n.do(t, "POST", path, behave.Pattern("d", 1<<20)).StatusCode
	}
	assert.Equal(t, 200, upload("/buffered/hash"))
	for i := int64(1); i <= 4; i++ {
		page.failNth(temporaryFile, i, true)
		assert.Equal(t, 500, upload("/buffered/hash"), "write %d", i)
		assert.Equal(t, 200, upload("/hash"), "not buffered")
		assert.True(t, page.end(), page.String())
		assert.Equal(t, 200, upload("/buffered/hash"))
	}
	assert.Contains(t, n.log(), "No space left on device")
	finish()
}
