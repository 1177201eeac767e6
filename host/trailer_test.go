package host

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trailers is what a handler sees of its request's.
type trailers struct {
	Before, Early, After http.Header
	Body                 string
}

func seeTrailers(r *http.Request) (saw trailers) {
	saw.Before = r.Trailer.Clone()
	b := make([]byte, 2)
	io.ReadFull(r.Body, b)
	saw.Early = r.Trailer.Clone()
	rest, err := io.ReadAll(r.Body)
	saw.After, saw.Body = r.Trailer, fmt.Sprint(string(b)+string(rest), err)
	return saw
}

func TestRequest_TrailersAsNetHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		announced string
		came      []Pair
	}{
		"none":                   {},
		"announced and came":     {"x-a, X-B", []Pair{{"X-A", "1"}, {"x-b", "2"}}},
		"announced, did not":     {"X-A", nil},
		"not announced":          {"", []Pair{{"X-A", "1"}}},
		"one of them announced":  {"X-A", []Pair{{"X-A", "1"}, {"X-B", "2"}}},
		"another than announced": {"X-A", []Pair{{"X-B", "2"}}},
		"repeated":               {"X-A", []Pair{{"X-A", "1"}, {"X-B", "0"}, {"X-A", "2"}}},
		"empty":                  {"X-A", []Pair{{"X-A", ""}}},
		"spaces":                 {"X-A", []Pair{{"X-A", "  a b \t"}}},
		"framing":                {"", []Pair{{"Content-Length", "3"}, {"Transfer-Encoding", "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var saw trailers
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { saw = seeTrailers(r) }))
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			conn.SetDeadline(time.Now().Add(patience))
			fields := "Transfer-Encoding: chunked\r\n"
			m := request("", "POST", "/", Pair{"Transfer-Encoding", "chunked"})
			if c.announced != "" {
				fields += "Trailer: " + c.announced + "\r\n"
				m.Headers = append(m.Headers, Pair{"Trailer", c.announced})
			}
			var lines strings.Builder
			for _, p := range c.came {
				fmt.Fprintf(&lines, "%s: %s\r\n", p.Name, p.Value)
			}
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n4\r\nbody\r\n0\r\n%s\r\n", fields, lines.String())
			io.ReadAll(conn)
			conn.Close()
			srv.Close()
			want := saw

			m.App = app(func(w http.ResponseWriter, r *http.Request) { saw = seeTrailers(r) })
			m.More = true
			x := &strict{Memory: Memory{Request: m, BodyReader: strings.NewReader("body"), BodyTrailers: c.came}}
			x.serve(t)
			assert.Equal(t, want, saw)
		})
	}
}

func TestRequest_MalformedTrailersAreDropped(t *testing.T) {
	m := request("", "POST", "/", Pair{"Transfer-Encoding", "chunked"})
	m.More = true
	x := &strict{Memory: Memory{Request: m, BodyReader: strings.NewReader("body")}}
	x.BodyTrailers = []Pair{{"", "1"}, {"X Y", "1"}, {"X-A", "a\x01b"}, {"X-B", "1"}}
	x.Request.App = app(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.Header{"X-B": {"1"}}, seeTrailers(r).After)
	})
	x.serve(t)
}

func TestRequest_TrailersOfHTTP2HaveToBeAnnounced(t *testing.T) {
	m := request("", "POST", "/", Pair{"Trailer", "x-a, Content-Length, X-C"})
	m.Environ[2].Value, m.More = "HTTP/2.0", true
	x := &strict{Memory: Memory{Request: m, BodyReader: strings.NewReader("body")}}
	x.BodyTrailers = []Pair{{"x-a", "1"}, {"x-b", "2"}, {"content-length", "3"}}
	x.Request.App = app(func(w http.ResponseWriter, r *http.Request) {
		saw := seeTrailers(r)
		assert.Equal(t, http.Header{"X-A": nil, "X-C": nil}, saw.Before)
		assert.Equal(t, http.Header{"X-A": {"1"}, "X-C": nil}, saw.After)
		assert.NotContains(t, r.Header, "Trailer")
	})
	x.serve(t)
}
