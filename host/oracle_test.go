// Handlers and requests compared with net/http's own server.

package host

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answer is what a client can tell of a response.
type answer struct {
	Status   int
	Info     []int
	Header   http.Header
	Body     string
	Trailer  http.Header
	Complete bool
}

// addedByServers are what net/http adds and here the server does. Its client
// takes Trailer out of the header.
var addedByServers = []string{"Date", "Transfer-Encoding", "Connection", "Trailer"}

// fromNetHTTP is the answer of net/http's server to a request with an empty
// body.
func fromNetHTTP(t *testing.T, h http.Handler, method, fields string) answer {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n%s\r\n", method, fields)

	var a answer
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil { // the connection was cut before a head
			return a
		}
		if resp.StatusCode < 200 {
			a.Info = append(a.Info, resp.StatusCode)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		a.Status, a.Header, a.Body, a.Complete = resp.StatusCode, resp.Header, string(body), err == nil
		a.Trailer = resp.Trailer
		if len(a.Trailer) == 0 {
			a.Trailer = nil
		}
		break
	}
	for _, name := range addedByServers {
		a.Header.Del(name)
	}
	return a
}

func fromHere(t *testing.T, h http.HandlerFunc, method string, fields ...Pair) answer {
	return answerOf(serve(t, request("", method, "/", fields...), h))
}

func answerOf(x *strict) answer {
	a := answer{Status: x.Status, Body: string(x.Body), Complete: x.End == Complete}
	if x.Status != 0 {
		a.Header = toHeader(x.Headers)
		for _, name := range addedByServers {
			a.Header.Del(name)
		}
	}
	for _, i := range x.Info {
		a.Info = append(a.Info, i.Status)
	}
	if len(x.Trailers) > 0 {
		a.Trailer = toHeader(x.Trailers)
	}
	return a
}

func toHeader(pairs []Pair) http.Header {
	h := http.Header{}
	for _, p := range pairs {
		h.Add(p.Name, p.Value)
	}
	return h
}

// bare hides every method but an io.Reader's.
type bare struct{ io.Reader }

func TestResponse_AsNetHTTP(t *testing.T) {
	captureLog(t)
	file := filepath.Join(t.TempDir(), "file.txt")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("0123456789"), 5000), 0o600))
	set := func(w http.ResponseWriter, name, value string) { w.Header().Set(name, value) }
	write := func(w http.ResponseWriter, n int) (int, error) { return w.Write(bytes.Repeat([]byte("x"), n)) }

	handlers := map[string]http.HandlerFunc{
		"nothing":      func(w http.ResponseWriter, r *http.Request) {},
		"small":        func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") },
		"html":         func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
		"zero write":   func(w http.ResponseWriter, r *http.Request) { w.Write(nil); set(w, "X-Late", "1") },
		"late header":  func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("x")); set(w, "X-Late", "1") },
		"write 3":      func(w http.ResponseWriter, r *http.Request) { write(w, 3) },
		"write 2047":   func(w http.ResponseWriter, r *http.Request) { write(w, 2047) },
		"write 2048":   func(w http.ResponseWriter, r *http.Request) { write(w, 2048) },
		"write 2049":   func(w http.ResponseWriter, r *http.Request) { write(w, 2049) },
		"write 1+2048": func(w http.ResponseWriter, r *http.Request) { write(w, 1); write(w, 2048) },
		"write 2048+0": func(w http.ResponseWriter, r *http.Request) { write(w, 2048); write(w, 0) },
		"write 100000": func(w http.ResponseWriter, r *http.Request) { write(w, 100000) },
		"many writes": func(w http.ResponseWriter, r *http.Request) {
			for range 3000 {
				write(w, 7)
			}
		},
		"own type":       func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Type", "a/b"); write(w, 1) },
		"nil type":       func(w http.ResponseWriter, r *http.Request) { w.Header()["Content-Type"] = nil; write(w, 1) },
		"encoded":        func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Encoding", "gzip"); write(w, 1) },
		"empty encoding": func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Encoding", ""); write(w, 1) },
		"identity":       func(w http.ResponseWriter, r *http.Request) { set(w, "Transfer-Encoding", "identity"); write(w, 1) },
		"chunked":        func(w http.ResponseWriter, r *http.Request) { set(w, "Transfer-Encoding", "chunked"); write(w, 1) },
		"chunked and length": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Transfer-Encoding", "chunked")
			set(w, "Content-Length", "1")
			write(w, 1)
		},
		"length":           func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "3"); write(w, 3) },
		"length 0":         func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "0") },
		"length, too few":  func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "9"); write(w, 3) },
		"length, none":     func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "9") },
		"length, too many": func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "3"); write(w, 3); write(w, 1) },
		"length, bad":      func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "x"); write(w, 3) },
		"length, negative": func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "-3"); write(w, 3) },
		"length, empty":    func(w http.ResponseWriter, r *http.Request) { w.Header()["Content-Length"] = nil; write(w, 3) },
		"length, flushed": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Content-Length", "6")
			write(w, 3)
			w.(http.Flusher).Flush()
			write(w, 3)
		},
		"status 201":      func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201) },
		"status 404 body": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"status 599":      func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(599); write(w, 5) },
		"two statuses":    func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201); w.WriteHeader(404) },
		"status 99":       func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(99) },
		"status 1000":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(1000) },
		"204": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Content-Type", "a/b")
			set(w, "Content-Length", "3")
			w.WriteHeader(204)
			write(w, 3)
		},
		"304": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Content-Type", "a/b")
			set(w, "Content-Length", "3")
			set(w, "Etag", `"x"`)
			w.WriteHeader(304)
			write(w, 3)
		},
		"early hints": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Link", "</a>")
			w.WriteHeader(103)
			w.WriteHeader(103)
			set(w, "X-More", "1")
			write(w, 3)
		},
		"100":         func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(100); write(w, 3) },
		"flush first": func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); write(w, 3) },
		"flush after": func(w http.ResponseWriter, r *http.Request) { write(w, 3); w.(http.Flusher).Flush() },
		"repeated": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-A"] = []string{"2", "1"}
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
		},
		"spaces":   func(w http.ResponseWriter, r *http.Request) { set(w, "X-A", "  b \t"); set(w, "X-B", "") },
		"lines":    func(w http.ResponseWriter, r *http.Request) { set(w, "X-A", "\na\r\nX-B: b\rc\n") },
		"own case": func(w http.ResponseWriter, r *http.Request) { w.Header()["x-lower"] = []string{"1"} },
		"bad name": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X Y"] = []string{"1"}
			w.Header()[""] = []string{"1"}
		},
		"trailers declared": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Trailer", "X-A, x-b")
			w.Header().Add("Trailer", "X-C")
			write(w, 3)
			set(w, "X-A", "1")
			set(w, "X-C", "3")
			set(w, "X-B", "2")
		},
		"trailer prefix": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			write(w, 3)
			set(w, http.TrailerPrefix+"X-A", "1")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x?y=ä", http.StatusFound) },
		"error":    func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "77"); http.Error(w, "no", 500) },
		"panic":    func(w http.ResponseWriter, r *http.Request) { write(w, 3); panic(http.ErrAbortHandler) },
		"panic, flushed": func(w http.ResponseWriter, r *http.Request) {
			write(w, 3)
			w.(http.Flusher).Flush()
			write(w, 3)
			panic(http.ErrAbortHandler)
		},
		"serve file": func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) },
		"serve content": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Unix(1e9, 0), strings.NewReader("abc"))
		},
		"copy 3": func(w http.ResponseWriter, r *http.Request) { io.Copy(w, bare{strings.NewReader("abc")}) },
		"copy 511": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, bare{strings.NewReader(strings.Repeat("a", 511))})
		},
		"copy 512": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, bare{strings.NewReader(strings.Repeat("a", 512))})
		},
		"copy 100000": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, bare{strings.NewReader(strings.Repeat("a", 100000))})
		},
		"copy after write": func(w http.ResponseWriter, r *http.Request) {
			write(w, 100)
			io.Copy(w, bare{strings.NewReader(strings.Repeat("a", 5000))})
			write(w, 3)
		},
		"copy nothing": func(w http.ResponseWriter, r *http.Request) { io.Copy(w, bare{strings.NewReader("")}) },
		"copy, length": func(w http.ResponseWriter, r *http.Request) {
			set(w, "Content-Length", "5000")
			io.Copy(w, bare{strings.NewReader(strings.Repeat("a", 5000))})
		},
		"strip prefix":     http.StripPrefix("/", http.NotFoundHandler()).ServeHTTP,
		"mux":              http.NewServeMux().ServeHTTP,
		"max bytes":        http.MaxBytesHandler(http.NotFoundHandler(), 1).ServeHTTP,
		"timeout, in time": http.TimeoutHandler(http.NotFoundHandler(), patience, "late").ServeHTTP,
		"timeout, late":    http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Millisecond, "late").ServeHTTP,
	}
	for name, h := range maps.All(handlers) {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				want := fromNetHTTP(t, h, method, "")
				got := fromHere(t, h, method)
				switch name + "/" + method {
				case "length, bad/HEAD", "length, negative/HEAD":
					// net/http sends the bad length, which no client takes.
					require.Zero(t, want.Status)
					want = fromNetHTTP(t, handlers["write 3"], "HEAD", "")
					want.Header.Del("Content-Length")
				case "panic, flushed/HEAD":
					want.Complete = false // its cut does not show
				}
				assert.Equal(t, want, got)
			})
		}
	}
	t.Run("range", func(t *testing.T) {
		h := handlers["serve file"]
		assert.Equal(t, fromNetHTTP(t, h, "GET", "Range: bytes=10-29999\r\n"), fromHere(t, h, "GET", Pair{"Range", "bytes=10-29999"}))
	})
}

// view is what a handler sees of its request.
type view struct {
	Method, URL, Path, RawPath, Query, RequestURI, Proto, Host string
	Scheme, URLHost, Opaque                                    string
	Major, Minor                                               int
	ContentLength                                              int64
	TransferEncoding                                           []string
	Close, NoBody                                              bool
	Header, Trailer                                            http.Header
	Body                                                       string
}

func see(r *http.Request) view {
	body, err := io.ReadAll(r.Body)
	v := view{
		r.Method, r.URL.String(), r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI, r.Proto, r.Host,
		r.URL.Scheme, r.URL.Host, r.URL.Opaque, r.ProtoMajor, r.ProtoMinor, r.ContentLength, r.TransferEncoding,
		r.Close, r.Body == http.NoBody, r.Header, r.Trailer, string(body),
	}
	if err != nil {
		v.Body += "!" + err.Error()
	}
	return v
}

func TestRequest_AsNetHTTP(t *testing.T) {
	captureLog(t)
	for _, c := range []struct {
		name, line, fields, body string
	}{
		{name: "plain", line: "GET / HTTP/1.1"},
		{name: "query", line: "GET /a/b?c=d&e=%20f HTTP/1.1"},
		{name: "query is empty", line: "GET /a? HTTP/1.1"},
		{name: "two question marks", line: "GET /a?? HTTP/1.1"},
		{name: "escapes", line: "GET /a%2Fb%20c/%E4%F6?x=%2F HTTP/1.1"},
		{name: "escapes of plain letters", line: "GET /%61%62 HTTP/1.1"},
		{name: "bad escape", line: "GET /a%zz HTTP/1.1"},
		{name: "cut escape", line: "GET /a%2 HTTP/1.1"},
		{name: "unusual path bytes", line: "GET /!*'()[]{}|^`\"<>;,@:&=+$ HTTP/1.1"},
		{name: "high bytes", line: "GET /\xff\xc3\xa4 HTTP/1.1"},
		{name: "high bytes in the query", line: "GET /?\xff\xc3\xa4 HTTP/1.1"},
		{name: "control byte", line: "GET /a\x01b HTTP/1.1"},
		{name: "DEL in the query", line: "GET /?a\x7fb HTTP/1.1"},
		{name: "double slash", line: "GET //a//b HTTP/1.1"},
		{name: "dots", line: "GET /a/../b/./c HTTP/1.1"},
		{name: "fragment", line: "GET /a#b HTTP/1.1"},
		{name: "absolute form", line: "GET http://other.example:81/a%2Fb?c HTTP/1.1"},
		{name: "absolute form without a path", line: "GET http://other.example HTTP/1.1"},
		{name: "no slash", line: "GET a/b HTTP/1.1"},
		{name: "opaque", line: "GET a:b HTTP/1.1"},
		{name: "star", line: "GET * HTTP/1.1"},
		{name: "connect", line: "CONNECT other.example:443 HTTP/1.1"},
		{name: "connect a path", line: "CONNECT /rpc HTTP/1.1"},
		{name: "own method", line: "frob /a HTTP/1.1"},
		{name: "bad method", line: "G@T /a HTTP/1.1"},
		{name: "HTTP/1.0", line: "GET /a HTTP/1.0"},
		{name: "HTTP/1.0 keep-alive", line: "GET /a HTTP/1.0", fields: "Connection: keep-alive\r\n"},
		{name: "HTTP/1.2", line: "GET /a HTTP/1.2"},
		{name: "HTTP/0.9", line: "GET /a HTTP/0.9"},
		{name: "bad version", line: "GET /a HTTP/1.x"},
		{name: "headers", line: "GET / HTTP/1.1", fields: "x-one: 1\r\nX-TWO: 2\r\nx-One: 3\r\naccept: */*\r\nx_y: z\r\n"},
		{name: "spaces around a value", line: "GET / HTTP/1.1", fields: "X-A:   a b \t \r\nX-B:\r\n"},
		{name: "cookies", line: "GET / HTTP/1.1", fields: "Cookie: a=1\r\nCookie: b=2\r\n"},
		{name: "high bytes in a value", line: "GET / HTTP/1.1", fields: "X-A: \xff\xe4\r\n"},
		{name: "control byte in a value", line: "GET / HTTP/1.1", fields: "X-A: abcdefghijk\x01\r\n"},
		{name: "DEL in a value", line: "GET / HTTP/1.1", fields: "X-A: abcdefgh\x7fijklmnopq\r\n"},
		{name: "tab in a value", line: "GET / HTTP/1.1", fields: "X-A: abc\tdefghijklmn\r\n"},
		{name: "bad name", line: "GET / HTTP/1.1", fields: "X@A: 1\r\n"},
		{name: "space in a name", line: "GET / HTTP/1.1", fields: "X A: 1\r\n"},
		{name: "two hosts", line: "GET / HTTP/1.1", fields: "Host: other\r\n"},
		{name: "bad host", line: "GET / HTTP/1.1", fields: "HOST: a/b\r\n"},
		{name: "connection close", line: "GET / HTTP/1.1", fields: "Connection: x, Close\r\n"},
		{name: "pragma", line: "GET / HTTP/1.1", fields: "Pragma: no-cache\r\n"},
		{name: "pragma and cache-control", line: "GET / HTTP/1.1", fields: "Pragma: no-cache\r\nCache-Control: a\r\n"},
		{name: "length", line: "POST / HTTP/1.1", fields: "Content-Length: 3\r\n", body: "abc"},
		{name: "length, a GET", line: "GET / HTTP/1.1", fields: "Content-Length: 3\r\n", body: "abc"},
		{name: "length 0", line: "POST / HTTP/1.1", fields: "Content-Length: 0\r\n"},
		{name: "no length", line: "POST / HTTP/1.1"},
		{name: "length, signed", line: "POST / HTTP/1.1", fields: "Content-Length: +3\r\n", body: "abc"},
		{name: "length, negative", line: "POST / HTTP/1.1", fields: "Content-Length: -3\r\n", body: "abc"},
		{name: "length, empty", line: "POST / HTTP/1.1", fields: "Content-Length: \r\n"},
		{name: "length, twice", line: "POST / HTTP/1.1", fields: "Content-Length: 3\r\nContent-Length: 3\r\n", body: "abc"},
		{name: "length, contradictory", line: "POST / HTTP/1.1", fields: "Content-Length: 3\r\nContent-Length: 4\r\n", body: "abcd"},
		{name: "length, huge", line: "POST / HTTP/1.1", fields: "Content-Length: 99999999999999999999\r\n"},
		{name: "chunked", line: "POST / HTTP/1.1", fields: "Transfer-Encoding: Chunked\r\n", body: "abc"},
		{name: "chunked and length", line: "POST / HTTP/1.1", fields: "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", body: "abc"},
		{name: "chunked, trailer announced", line: "POST / HTTP/1.1", fields: "Transfer-Encoding: chunked\r\nTrailer: x-a, X-B\r\n", body: "abc"},
		{name: "chunked, bad trailer", line: "POST / HTTP/1.1", fields: "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", body: "abc"},
		{name: "trailer without chunks", line: "POST / HTTP/1.1", fields: "Trailer: x-a\r\n"},
		{name: "other coding", line: "POST / HTTP/1.1", fields: "Transfer-Encoding: gzip\r\n"},
		{name: "coding on HTTP/1.0", line: "POST / HTTP/1.0", fields: "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", body: "abc"},
		{name: "expect", line: "POST / HTTP/1.1", fields: "Expect: 100-Continue\r\nContent-Length: 3\r\n", body: "abc"},
		{name: "expect the unknown", line: "POST / HTTP/1.1", fields: "Expect: miracles\r\n"},
		{name: "options", line: "OPTIONS * HTTP/1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want, got *view
			handler := func(v **view) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) { seen := see(r); *v = &seen }
			}

			srv := httptest.NewServer(handler(&want))
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			conn.SetDeadline(time.Now().Add(patience))
			host := "Host: example.org\r\n"
			if strings.Contains(c.fields, "HOST") {
				host = ""
			}
			body := c.body
			if strings.Contains(strings.ToLower(c.fields), "chunked") && strings.Contains(c.line, "HTTP/1.1") {
				body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
			}
			fmt.Fprintf(conn, "%s\r\n%s%s\r\n%s", c.line, host, c.fields, body)
			conn.(*net.TCPConn).CloseWrite()
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			for err == nil && resp.StatusCode == 100 {
				resp, err = http.ReadResponse(r, nil)
			}
			require.NoError(t, err)
			conn.Close()
			srv.Close()

			method, rest, _ := strings.Cut(c.line, " ")
			target, proto, _ := strings.Cut(rest, " ")
			m := request("", method, target)
			m.Environ[2].Value = proto
			if host == "" {
				m.Headers = nil
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(c.fields, "\r\n"), "\r\n") {
				if name, value, ok := strings.Cut(line, ":"); ok {
					m.Headers = append(m.Headers, Pair{name, value})
				}
			}
			m.Body = []byte(c.body)
			x := serve(t, m, handler(&got))
			assert.Equal(t, want, got)
			assert.Equal(t, resp.StatusCode, x.Status)
			assert.Equal(t, Complete, x.End)
		})
	}
}
