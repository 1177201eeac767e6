// Requests whose end two parties may see in different places.

package test

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// A shape is a request with an ambiguous or malformed frame. SMUGGLED stands in
// it for a whole request that is part of it for one reading, and one of its own
// for another. A line feed stands for CR LF, |LF| for a line
// feed alone.
type shape struct {
	name, head, body string

	// What comes of it in nginx and in Apache: "refused" by the server,
	// "broken" for a body whose read fails, or "=" and the body as the
	// application gets it, whole.
	nginx, apache string
}

const no, broken = "refused", "broken"

var shapes = []shape{
	{"content_length_twice_the_same", "Content-Length: 5\nContent-Length: 5\n", "helloSMUGGLED", no, no},
	{"content_length_twice_different", "Content-Length: 5\nContent-Length: 0\n", "SMUGGLED", no, no},
	{"content_length_list", "Content-Length: 5, 5\n", "helloSMUGGLED", no, no},
	{"content_length_negative", "Content-Length: -1\n", "SMUGGLED", no, no},
	{"content_length_plus", "Content-Length: +5\n", "helloSMUGGLED", no, no},
	{"content_length_hexadecimal", "Content-Length: 0x5\n", "helloSMUGGLED", no, no},
	{"content_length_overflow", "Content-Length: 18446744073709551621\n", "helloSMUGGLED", no, no},
	{"content_length_empty", "Content-Length:\n", "SMUGGLED", no, no},
	{"content_length_and_chunked", "Content-Length: 3\nTransfer-Encoding: chunked\n", "5\nhello\n0\n\n", no, "=hello"},
	{"chunked_and_content_length", "Transfer-Encoding: chunked\nContent-Length: 100\n", "0\n\nSMUGGLED", no, "="},
	{"unknown_coding", "Transfer-Encoding: xchunked\n", "SMUGGLED", no, no},
	{"unknown_coding_and_content_length", "Transfer-Encoding: xchunked\nContent-Length: 5\n", "helloSMUGGLED", no, no},
	{"chunked_twice", "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n", "0\n\nSMUGGLED", no, no},
	{"chunked_then_identity", "Transfer-Encoding: chunked\nTransfer-Encoding: identity\n", "0\n\nSMUGGLED", no, no},
	{"chunked_with_a_tab", "Transfer-Encoding:\tchunked\n", "0\n\n", no, "="},
	{"space_before_the_colon", "Content-Length : 5\n", "helloSMUGGLED", no, no},
	{"space_before_the_colon_of_chunked", "Transfer-Encoding : chunked\n", "0\n\nSMUGGLED", no, no},
	{"folded_field", "X-A: 1\n Content-Length: 8\n", "", no, "="},
	{"folded_coding", "Transfer-Encoding:\n chunked\n", "0\n\n", no, "="},
	{"underscore", "Content_Length: 100\n", "", "=", "="},
	{"nul_in_a_field", "X-A: \x00\nContent-Length: 0\n", "SMUGGLED", no, no},
	{"bare_cr_in_a_field", "X-A: 1\rContent-Length: 100\n", "", no, no},
	{"bare_lf_ends_a_field", "X-A: 1|LF|Content-Length: 5\n", "hello", "=hello", no},
	{"chunk_size_negative", "Transfer-Encoding: chunked\n", "-1\nhello\n0\n\nSMUGGLED", broken, broken},
	{"chunk_size_overflow", "Transfer-Encoding: chunked\n", "ffffffffffffffff1\nhello\n0\n\nSMUGGLED", broken, broken},
	{"chunk_size_not_hexadecimal", "Transfer-Encoding: chunked\n", "xyz\nhello\n0\n\nSMUGGLED", broken, broken},
	{"chunk_size_0x", "Transfer-Encoding: chunked\n", "0x5\nhello\n0\n\nSMUGGLED", broken, broken},
	{"chunk_size_empty", "Transfer-Encoding: chunked\n", "\nhello\n0\n\nSMUGGLED", broken, broken},
	{"chunk_longer_than_its_size", "Transfer-Encoding: chunked\n", "5\nhello!\n0\n\nSMUGGLED", broken, broken},
	{"chunk_without_its_line_end", "Transfer-Encoding: chunked\n", "5\nhello0\n\nSMUGGLED", broken, broken},
	{"chunk_with_an_extension", "Transfer-Encoding: chunked\n", "5;a=b\nhello\n0\n\n", "=hello", "=hello"},
}

// With HTTP/1.0 there are no codings.
var oldShape = shape{"chunked_in_http10", "Transfer-Encoding: chunked\n", "0\n\nSMUGGLED", no, "="}

func TestFaults_NoRequestIsSmuggled(t *testing.T) {
	onEachServer(t, func(t *testing.T, s *server) {
		run := func(sh shape, protocol string) {
			t.Run(sh.name, func(t *testing.T) {
				want := map[string]string{"nginx": sh.nginx, "apache": sh.apache}[s.name]
				sh.send(t, s, protocol, want)
			})
		}
		for _, sh := range shapes {
			run(sh, "HTTP/1.1")
		}
		run(oldShape, "HTTP/1.0")
	})
}

func (sh shape) send(t *testing.T, s *server, protocol, want string) {
	key := newKey()
	smuggled := "GET /fill?n=1&key=" + key + " HTTP/1.1\r\nHost: h\r\n\r\n"
	text := strings.ReplaceAll("POST /facts/x "+protocol+"\nHost: h\n"+sh.head+"\n"+sh.body, "\n", "\r\n")
	w := s.wire(t, "")
	w.send(strings.NewReplacer("|LF|", "\n", "SMUGGLED", smuggled).Replace(text))
	answer := w.answer("POST")

	require.NoError(t, w.Conn.(*net.TCPConn).CloseWrite())
	rest, err := w.rest()
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Empty(t, rest, "a second response")
	assert.Zero(t, s.count(t, key), "the request within has been run")
	var f behave.Facts
	if answer.StatusCode == 200 {
		answer.into(t, &f)
		assert.NotContains(t, f.Header, "Transfer-Encoding")
		if len(f.Coding) > 0 {
			assert.EqualValues(t, -1, f.Length)
			assert.Empty(t, f.Variable("CONTENT_LENGTH"), "and a coding")
			assert.NotContains(t, f.Header, "Content-Length")
		} else if f.BodyErr == "" && f.Length != -1 {
			assert.EqualValues(t, len(f.Body), f.Length)
		}
	}
	switch {
	case want == no:
		assert.Contains(t, []int{400, 501}, answer.StatusCode, answer.body)
	case want == broken && answer.StatusCode == 200:
		assert.NotEmpty(t, f.BodyErr)
	case want == broken:
		assert.Contains(t, []int{400, 413}, answer.StatusCode, answer.body)
	default:
		assert.Equal(t, 200, answer.StatusCode, answer.body)
		assert.Equal(t, want[1:], string(f.Body))
		assert.Empty(t, f.BodyErr)
	}
}

// What shows that the other test can fail: a request after one that is framed
// well is run.
func TestFaults_PipelinedRequestIsNoSmuggledOne(t *testing.T) {
	onEachServer(t, func(t *testing.T, s *server) {
		for _, head := range []string{"Content-Length: 5\n\nhello", "Transfer-Encoding: chunked\n\n5\nhello\n0\n\n"} {
			key := newKey()
			w := s.wire(t, "POST /facts/x HTTP/1.1\nHost: h\n"+head+"GET /fill?n=1&key="+key+" HTTP/1.1\nHost: h\n\n")
			assert.Equal(t, 200, w.answer("POST").StatusCode)
			assert.Equal(t, 200, w.answer("GET").StatusCode)
			assert.EqualValues(t, 1, s.count(t, key))
		}
	})
}
