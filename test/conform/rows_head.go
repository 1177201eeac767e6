// Response heads: statuses, fields, informational heads, lengths, types.

package conform

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// set sets a field under its canonical name.
func set(w http.ResponseWriter, name, value string) { w.Header().Set(name, value) }

// gives is a row whose handler sends a status, with body and fields.
func gives(name string, status int, body string, fields ...string) Row {
	return does(name, func(w http.ResponseWriter, r *http.Request, run *Run) {
		for i := 0; i < len(fields); i += 2 {
			w.Header()[fields[i]] = append(w.Header()[fields[i]], fields[i+1])
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		if body != "" {
			n, err := io.WriteString(w, body)
			run.Note("write", n, err)
		}
	})
}

// panics notes whether f does.
func panics(run *Run, f func()) {
	defer func() { run.Note("panicked", recover() != nil) }()
	f()
}

var headRows = append(withHeads(
	gives("head: nothing at all", 0, ""),
	gives("head: a Write implies 200", 0, "hello"),
	gives("head: 201", 201, "made"),
	gives("head: 404", 404, "not here"),
	gives("head: 599", 599, "own"),
	gives("head: 999", 999, "own"),
	gives("head: 204", 204, "body", "Content-Type", "a/b", "X-A", "1"),
	gives("head: 204 with a length", 204, "body", "Content-Length", "4"),
	gives("head: 205", 205, ""),
	gives("head: 206 without Content-Range", 206, "part"),
	gives("head: 304", 304, "body", "Content-Type", "a/b", "Content-Length", "4", "Etag", `"x"`),
	gives("head: 304 without fields", 304, ""),
	gives("head: 401", 401, "who?", "Www-Authenticate", `Basic realm="a"`, "Www-Authenticate", "Bearer"),
	gives("head: 407", 407, "who?", "Proxy-Authenticate", `Basic realm="a"`),
	gives("head: 413", 413, "large"),
	gives("head: 500", 500, "broken"),
	gives("head: 502", 502, "bad gateway"),
	gives("head: 503", 503, "later", "Retry-After", "10"),
	gives("head: Location", 302, "", "Location", "/a?b=ä"),
	gives("head: Location of another host", 301, "moved", "Location", "https://other.example:8443/a"),
	gives("head: own Date", 0, "x", "Date", "Sun, 09 Sep 2001 01:46:40 GMT"),
	gives("head: own Server", 0, "x", "Server", "mine/1"),
	gives("head: own Via, Age and X-Powered-By", 0, "x", "Via", "1.1 a", "Age", "7", "X-Powered-By", "Go"),
	gives("head: Last-Modified and Etag", 0, "x", "Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT", "Etag", `W/"a"`),
	gives("head: Last-Modified of no date", 0, "x", "Last-Modified", "yesterday"),
	gives("head: Cache-Control repeated", 0, "x", "Cache-Control", "no-store", "Cache-Control", "private", "Expires", "0"),
	gives("head: Vary, Link and Allow repeated", 0, "x", "Vary", "A", "Vary", "B", "Link", "</a>", "Link", "</b>", "Allow", "GET"),
	gives("head: Accept-Ranges", 0, "x", "Accept-Ranges", "bytes"),
	gives("head: repeated fields keep their order", 0, "x", "X-A", "2", "X-A", "1", "X-A", "3"),
	gives("head: Set-Cookie repeated", 0, "x", "Set-Cookie", "a=1; Path=/", "Set-Cookie", "b=2"),
	gives("head: empty value", 0, "x", "X-A", ""),
	gives("head: spaces around the value", 0, "x", "X-A", "  b \t"),
	gives("head: high bytes in the value", 0, "x", "X-A", "\xff\xe4"),
	gives("head: UTF-8 in the value", 0, "x", "X-A", "ä"),
	gives("head: value of 4000 bytes", 0, "x", "X-A", long(4000)),
	gives("head: value of 40000 bytes", 0, "x", "X-A", long(40000)),
	gives("head: name in lower case", 0, "x", "x-lower", "1"),
	gives("head: bad name", 0, "x", "X Y", "1", "", "1", "X:Z", "1", "X-A", "1"),
	gives("head: own field", 0, "x", "X-B", "b"),
	gives("head: control byte in the value", 0, "x", "X-A", "a\x01b", "X-B", "b"),
	gives("head: zero byte in the value", 0, "x", "X-A", "a\x00b", "X-B", "b"),
	gives("head: X-Accel-Expires and X-Sendfile are only fields", 0, "x", "X-Accel-Expires", "10", "X-Sendfile", "/etc/passwd"),
	gives("head: own Content-Encoding", 0, "not really", "Content-Encoding", "gzip"),
	gives("head: own Content-Disposition", 0, "x", "Content-Disposition", `attachment; filename="ä.txt"`),
	gives("head: Strict-Transport-Security", 0, "x", "Strict-Transport-Security", "max-age=1"),
	does("head: 100 fields", func(w http.ResponseWriter, r *http.Request, run *Run) {
		for i := range 100 {
			set(w, "X-N"+strconv.Itoa(i), "v")
		}
	}),
	does("head: CR LF in the value", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "X-A", "a\r\nX-Smuggled: 1")
	}),
	does("head: nil Date", func(w http.ResponseWriter, r *http.Request, run *Run) { w.Header()["Date"] = nil; write(w, 1) }),
	does("head: nil Content-Type", func(w http.ResponseWriter, r *http.Request, run *Run) { w.Header()["Content-Type"] = nil; write(w, 1) }),
	does("head: nil own field", func(w http.ResponseWriter, r *http.Request, run *Run) { w.Header()["X-A"] = nil; write(w, 1) }),
	does("head: WriteHeader twice", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(201)
		w.WriteHeader(404)
		write(w, 3)
	}),
	does("head: WriteHeader after Write", func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 3)
		w.WriteHeader(404)
	}),
	does("head: WriteHeader out of range", func(w http.ResponseWriter, r *http.Request, run *Run) {
		panics(run, func() { w.WriteHeader(99) })
		panics(run, func() { w.WriteHeader(1000) })
		panics(run, func() { w.WriteHeader(0) })
		panics(run, func() { w.WriteHeader(-1) })
		w.WriteHeader(203)
	}),
	does("head: fields after WriteHeader do not count", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "X-A", "1")
		w.WriteHeader(200)
		set(w, "X-A", "2")
		set(w, "X-B", "2")
	}),
	does("head: fields after an empty Write do not count", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Write(nil)
		set(w, "X-A", "1")
	}),
	does("head: fields after a Flush do not count", func(w http.ResponseWriter, r *http.Request, run *Run) {
		flush(w)
		set(w, "X-A", "1")
		write(w, 3)
	}),
	does("head: Header returns one map", func(w http.ResponseWriter, r *http.Request, run *Run) {
		h := w.Header()
		set(w, "X-A", "1")
		run.Note("same", h.Get("X-A"))
		w.WriteHeader(200)
		run.Note("after WriteHeader", w.Header().Get("X-A"))
	}),
	does("head: values changed after WriteHeader", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Header()["X-A"] = []string{"1"}
		w.WriteHeader(200)
		w.Header()["X-A"][0] = "2"
	}),
),
	Row{Name: "head: 101 without an upgrade", OneOnly: framing, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		panics(run, func() { w.WriteHeader(101) })
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Head("GET")
		c.Leave()
	}},
	does("info: early hints", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Header().Add("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Add("Link", "</b>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		run.Note("kept", len(w.Header()["Link"]))
		write(w, 3)
	}),
	does("info: processing, then 404", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(http.StatusProcessing)
		http.NotFound(w, r)
	}),
	does("info: own 199 with a type and a length", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Type", "a/b")
		set(w, "Content-Length", "3")
		w.WriteHeader(199)
		write(w, 3)
	}),
	does("info: after the final head", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(200)
		w.WriteHeader(103)
		write(w, 3)
	}),
)

var lengthRows = withHeads(
	gives("length: right", 0, "abc", "Content-Length", "3"),
	gives("length: 0", 0, "", "Content-Length", "0"),
	gives("length: 0 and a body", 0, "abc", "Content-Length", "0"),
	gives("length: none written", 0, "", "Content-Length", "9"),
	gives("length: too few", 0, "abc", "Content-Length", "9"),
	gives("length: too many at once", 0, "abcdef", "Content-Length", "3"),
	gives("length: no number", 0, "abc", "Content-Length", "x"),
	gives("length: negative", 0, "abc", "Content-Length", "-3"),
	gives("length: signed", 0, "abc", "Content-Length", "+3"),
	gives("length: empty", 0, "abc", "Content-Length", ""),
	gives("length: twice", 0, "abc", "Content-Length", "3", "Content-Length", "4"),
	gives("length: with spaces", 0, "abc", "Content-Length", " 3 "),
	gives("length: name in lower case", 0, "abc", "content-length", "3"),
	gives("length: and chunked", 0, "abc", "Content-Length", "3", "Transfer-Encoding", "chunked"),
	gives("length: and identity", 0, "abc", "Content-Length", "3", "Transfer-Encoding", "identity"),
	gives("length: chunked", 0, "abc", "Transfer-Encoding", "chunked"),
	gives("length: identity", 0, "abc", "Transfer-Encoding", "identity"),
	does("length: too many after the right ones", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "3")
		n, err := write(w, 3)
		run.Note("write", n, err)
		n, err = write(w, 1)
		run.Note("write", n, err)
	}),
	does("length: flushed half-way", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "6")
		write(w, 3)
		flush(w)
		write(w, 3)
	}),
	does("length: nil", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Header()["Content-Length"] = nil
		n, err := io.WriteString(w, "abc")
		run.Note("write", n, err)
	}),
	does("length: too few, 100000 bytes", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "100001")
		n, err := write(w, 100000)
		run.Note("write", n, err)
	}),
	writes("length: 2047 bytes", 2047),
	writes("length: 2048 bytes", 2048),
	writes("length: 2049 bytes", 2049),
	writes("length: 1 and 2048 bytes", 1, 2048),
	writes("length: 2048 bytes and none", 2048, 0),
	writes("length: 100000 bytes", 100000),
	writes("length: 4096 times 100 bytes", slicesOf(100, 4096)...),
	writes("length: none", 0),
)

// writes is a row whose handler makes Writes of those sizes.
func writes(name string, sizes ...int) Row {
	return does(name, func(w http.ResponseWriter, r *http.Request, run *Run) {
		sum := 0
		for _, n := range sizes {
			n, err := write(w, n)
			if sum += n; err != nil {
				run.Note("failed", err)
			}
		}
		run.Note("written", sum)
	})
}

func slicesOf(value, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = value
	}
	return s
}

var sniffRows = withHeads(
	gives("type: text", 0, "plain text"),
	gives("type: HTML", 0, "\n <!DOCTYPE html><p>"),
	gives("type: JSON is text", 0, `{"a":1}`),
	gives("type: PNG", 0, "\x89PNG\r\n\x1a\n"),
	gives("type: gzip", 0, "\x1f\x8b\x08"),
	gives("type: binary", 0, "\x00\x01\x02"),
	gives("type: UTF-8 with a mark", 0, "\xef\xbb\xbfa"),
	gives("type: own", 0, "x", "Content-Type", "application/json"),
	gives("type: own with a charset", 0, "x", "Content-Type", `text/html; charset="ISO-8859-1"; a=b`),
	gives("type: own, empty", 0, "x", "Content-Type", ""),
	gives("type: twice", 0, "x", "Content-Type", "a/b", "Content-Type", "c/d"),
	gives("type: without a body", 0, "", "Content-Type", "a/b"),
	gives("type: not with Content-Encoding", 0, "x", "Content-Encoding", "br"),
	gives("type: with an empty Content-Encoding", 0, "x", "Content-Encoding", ""),
	gives("type: of 404", 404, "<html>"),
	does("type: of the first Write only", func(w http.ResponseWriter, r *http.Request, run *Run) {
		io.WriteString(w, "<ht")
		io.WriteString(w, "ml>")
	}),
	does("type: of the first Write before a Flush", func(w http.ResponseWriter, r *http.Request, run *Run) {
		io.WriteString(w, "<ht")
		flush(w)
		io.WriteString(w, "ml>")
	}),
	does("type: of the first 512 bytes", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Write(append(bytes.Repeat([]byte("a"), 512), 0, 1, 2))
	}),
	does("type: Flush before a byte", func(w http.ResponseWriter, r *http.Request, run *Run) {
		flush(w)
		io.WriteString(w, "<html>")
	}),
)

var streamRows = append(withHeads(
	does("stream: Flush, then nothing", func(w http.ResponseWriter, r *http.Request, run *Run) { run.Note("flush", flush(w)) }),
	does("stream: Flush after a Write", func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 3)
		run.Note("flush", flush(w))
	}),
	does("stream: Flush before the status", func(w http.ResponseWriter, r *http.Request, run *Run) {
		flush(w)
		w.WriteHeader(404)
		write(w, 3)
	}),
	does("stream: three pieces", func(w http.ResponseWriter, r *http.Request, run *Run) {
		for range 3 {
			write(w, 3)
			flush(w)
		}
	}),
	does("stream: Flush of a 204", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(204)
		run.Note("flush", flush(w))
	}),
	does("stream: http.Flusher", func(w http.ResponseWriter, r *http.Request, run *Run) {
		f, ok := w.(http.Flusher)
		run.Note("flusher", ok)
		f.Flush()
	}),
	does("stream: WriteString", func(w http.ResponseWriter, r *http.Request, run *Run) {
		n, err := w.(io.StringWriter).WriteString("hello")
		run.Note("write", n, err)
	}),
	copies("stream: copy of nothing", 0),
	copies("stream: copy of 3 bytes", 3),
	copies("stream: copy of 511 bytes", 511),
	copies("stream: copy of 512 bytes", 512),
	copies("stream: copy of 5000 bytes", 5000),
	copies("stream: copy of 300000 bytes", 300000),
	does("stream: copy with the right length", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "5000")
		n, err := io.Copy(w, reader(5000))
		run.Note("copy", n, err)
	}),
	does("stream: copy between Writes", func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 100)
		n, err := io.Copy(w, reader(5000))
		run.Note("copy", n, err)
		write(w, 3)
	}),
	does("stream: copy of a reader that fails", func(w http.ResponseWriter, r *http.Request, run *Run) {
		n, err := io.Copy(w, io.MultiReader(reader(3000), failing{}))
		run.Note("copy", n, err)
	}),
	does("stream: CopyN", func(w http.ResponseWriter, r *http.Request, run *Run) {
		n, err := io.CopyN(w, reader(5000), 700)
		run.Note("copy", n, err)
	}),
),
	does("stream: copy beyond the length", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "100")
		_, err := io.Copy(w, reader(5000))
		run.Note("copy", err)
	}),
	Row{Name: "stream: echo by copying", Request: ask("POST / HTTP/1.1", "Content-Length: 50000") + long(50000),
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
			run.Note("enable", http.NewResponseController(w).EnableFullDuplex())
			n, err := io.Copy(w, r.Body)
			run.Note("copy", n, err)
		}},
	does("stream: two goroutines under a lock", func(w http.ResponseWriter, r *http.Request, run *Run) {
		lock, done := make(chan bool, 1), make(chan bool)
		for range 2 {
			go func() {
				for range 200 {
					lock <- true
					write(w, 100)
					if time.Now().UnixNano()%3 == 0 {
						flush(w)
					}
					<-lock
				}
				done <- true
			}()
		}
		<-done
		<-done
	}),
)

// failing is a reader that fails.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// reader is a reader of n bytes and nothing but a reader.
func reader(n int) io.Reader {
	return struct{ io.Reader }{strings.NewReader(strings.Repeat("0123456789", n/10+1)[:n])}
}

func copies(name string, n int) Row {
	return does(name, func(w http.ResponseWriter, r *http.Request, run *Run) {
		got, err := io.Copy(w, reader(n))
		run.Note("copied", got, err)
	})
}
