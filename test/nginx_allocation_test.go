// Memory that runs out at every place of a request in turn.

package test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func TestNginx_AllocationThatFailsCostsOneRequestAtMost(t *testing.T) {
	if sanitizing() {
		missing(t, "the C library's allocator: the sanitizer has its own")
	}
	t.Parallel()
	page, env := newFaults(t)
	// Small pools: nearly every allocation of the module is one of the library's.
	n := conf{env: env, allowed: []string{`(malloc|memalign|calloc|realloc)\(`, `pillion`}, level: "error",
		http: "request_pool_size 256; connection_pool_size 256; pillion_read_timeout 10m;",
		server: everything + `
			location /buffered/ { pillion_pass behave; pillion_script_name /buffered; pillion_request_buffering on; client_body_buffer_size 1k; }
			location /params/ { pillion_pass behave; pillion_script_name /params; pillion_param A $request_id; pillion_param HTTP_B $arg_b; pillion_hide_header X-A; }
			location /named/ { pillion_pass $arg_app; pillion_script_name /named; }
			location /seen/ { pillion_pass behave; pillion_script_name /seen; pillion_intercept_errors on; error_page 418 /bytes?n=10; }`}.start(t)
	unharmed(t, n.server)
	finish := bystander(t, n.server)
	path := patternFile(t, "a", 100<<10)
	body := strings.Repeat("b", 40000)
	respond := func(spec behave.Spec) string { return "GET " + spec.URL() + " HTTP/1.1\nHost: h\n\n" }
	for _, c := range []struct{ name, text string }{
		{"small", "GET /bytes?n=10&seed=s HTTP/1.1\nHost: h\n\n"},
		{"params", "GET /params/bytes?n=10&seed=s&b=c HTTP/1.1\nHost: h\nX-A: b\nX-C: d\n\n"},
		{"named", "GET /named/bytes?n=10&app=behave HTTP/1.1\nHost: h\n\n"},
		{"large_response", "GET /bytes?n=300000&seed=s HTTP/1.1\nHost: h\n\n"},
		{"chunked_response_with_trailers", respond(behave.Spec{Headers: [][2]string{{"Trailer", "X-T"}, {"X-T", "v"}, {"X-A", "1"}, {"X-A", "2"}}, Pieces: []string{"a", "b"}})},
		{"upload", fmt.Sprintf("POST /hash HTTP/1.1\nHost: h\nContent-Length: %d\n\n%s", len(body), body)},
		{"chunked_upload", fmt.Sprintf("POST /hash HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n%x\n%s\n0\n\n", len(body), body)},
		{"buffered_upload", fmt.Sprintf("POST /buffered/hash HTTP/1.1\nHost: h\nContent-Length: %d\n\n%s", len(body), body)},
		{"file", "GET /content?path=" + path + " HTTP/1.1\nHost: h\n\n"},
		{"intercepted", "GET /seen/unread?status=418 HTTP/1.1\nHost: h\n\n"},
		{"tunnel", "GET /hijack?how=bye HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: raw\n\n"},
		{"application_error", "GET /panic HTTP/1.1\nHost: h\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, err := exchangeOnce(n.server, c.text)
			require.NoError(t, err)
			for i := int64(1); ; i++ {
				require.Less(t, i, int64(1000))
				page.failNth(allocation, i, false)
				got, err := exchangeOnce(n.server, c.text)
				failed := page.end()
				if err == nil && got.status < 500 && whole.status < 500 {
					assert.Equal(t, whole, got, "call %d: whole, or not at all", i)
				}
				after, err := exchangeOnce(n.server, c.text)
				require.NoError(t, err, "after call %d", i)
				require.Equal(t, whole, after, "after call %d", i)
				if !failed {
					t.Logf("%d allocations", i-1)
					break
				}
			}
		})
	}
	finish()
}

// heard is a response read to its end.
type heard struct {
	status int
	body   string
}

// exchangeOnce sends a request on a connection of its own; an error is a
// response that is not there, or not whole.
func exchangeOnce(s *server, text string) (heard, error) {
	c, err := s.dial()
	if err != nil {
		return heard{}, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n"))
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: strings.Fields(text)[0]})
	if err != nil {
		return heard{}, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = io.NopCloser(r)
	}
	b, err := io.ReadAll(res.Body)
	return heard{res.StatusCode, string(b)}, err
}
