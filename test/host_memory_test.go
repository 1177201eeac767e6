// The in-memory host: package host's Exchange over a pipe, in this process. No
// C, no sockets.

package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pillion/host"
	"pillion/test/behave"
)

func startMemory(t *testing.T) *server {
	behave.AsApp(formOf(t) == "app")
	var conns sync.WaitGroup
	s := newServer("memory", "http://memory", func() (net.Conn, error) {
		near, far := net.Pipe()
		conns.Go(func() {
			defer far.Close()
			serveMemory(far)
		})
		return near, nil
	}, memoryLog.String)
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		done := make(chan struct{})
		go func() { conns.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("connections of the in-memory host are still open")
		}
		assertSane(t, memoryLog.String())
	})
	return s
}

// serveMemory serves the requests of a connection.
func serveMemory(c net.Conn) {
	r := bufio.NewReaderSize(c, 4096)
	for {
		x, err := readExchange(c, r)
		if err != nil {
			return
		}
		if !x.serve() {
			if x.end == host.Complete && x.body != nil && !x.expect && !x.raw && x.proto == "HTTP/1.1" {
				// A client that still sends must get to read the answer.
				c.SetReadDeadline(time.Now().Add(patience))
				io.Copy(io.Discard, c)
			}
			return
		}
	}
}

var errLeft = errors.New("the client has left")

// memoryExchange is one request of a connection.
type memoryExchange struct {
	msg  host.Message
	c    net.Conn
	r    *bufio.Reader
	body io.Reader // nil: all of it is in msg

	trailers []host.Pair // of the request

	method, proto string
	expect        bool // 100 Continue is due at the first read
	close         bool
	chunked       bool
	headed        bool
	end           host.End

	mu       sync.Mutex
	ended    bool // the request body has
	raw      bool // the connection was taken over
	cancel   func(error)
	left     error
	watching chan struct{} // closed when nobody watches the connection
}

// readExchange reads a request head.
func readExchange(c net.Conn, r *bufio.Reader) (*memoryExchange, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	method, rest, _ := strings.Cut(line, " ")
	target, proto, ok := strings.Cut(rest, " ")
	if !ok {
		return nil, errors.New("malformed request line")
	}
	x := &memoryExchange{c: c, r: r, method: method, proto: proto, close: proto == "HTTP/1.0"}
	path, query, _ := strings.Cut(target, "?")
	script := ""
	x.msg.App = "behave"
	if path == "/other" || strings.HasPrefix(path, "/other/") {
		x.msg.App = "other"
	} else if strings.HasPrefix(path, "/mounted/") {
		script, path = "/mounted", strings.TrimPrefix(path, "/mounted")
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	add := func(name, value string) { x.msg.Environ = append(x.msg.Environ, host.Pair{Name: name, Value: value}) }
	add("REQUEST_METHOD", method)
	add("REQUEST_URI", target)
	add("SERVER_PROTOCOL", proto)
	add("SCRIPT_NAME", script)
	add("PATH_INFO", decoded)
	add("QUERY_STRING", query)
	add("REMOTE_ADDR", "127.0.0.1")
	add("REMOTE_PORT", "1234")

	length := int64(0)
	for {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		x.msg.Headers = append(x.msg.Headers, host.Pair{Name: name, Value: value})
		switch http.CanonicalHeaderKey(name) {
		case "Content-Length":
			add("CONTENT_LENGTH", value)
			length, _ = strconv.ParseInt(value, 10, 64)
		case "Transfer-Encoding":
			length = -1
		case "Connection":
			x.close = x.close || strings.EqualFold(value, "close")
		case "Expect":
			x.expect = strings.EqualFold(value, "100-continue")
		}
	}
	switch {
	case length < 0:
		x.body = io.MultiReader(httputil.NewChunkedReader(r), finalLines{x})
	case length > 0:
		x.body = io.LimitReader(r, length)
	default:
		x.expect = false
	}
	x.msg.More = x.body != nil
	x.msg.Files, x.msg.Hijack = true, true
	x.ended = x.body == nil
	return x, nil
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// finalLines reads the lines that end a chunked body.
type finalLines struct{ x *memoryExchange }

func (f finalLines) Read([]byte) (int, error) {
	for {
		line, err := readLine(f.x.r)
		if err != nil {
			return 0, err
		}
		if line == "" {
			return 0, io.EOF
		}
		name, value, _ := strings.Cut(line, ":")
		f.x.trailers = append(f.x.trailers, host.Pair{Name: name, Value: value})
	}
}

// serve runs the request and says whether the connection may go on.
func (x *memoryExchange) serve() bool {
	x.watch()
	finished := make(chan struct{})
	go func() { // Goexit leaves host.Serve
		defer close(finished)
		host.Serve(x)
	}()
	<-finished
	x.unwatch()
	return x.end == host.Complete && !x.close && x.ended && x.left == nil
}

// watch looks out for the end of the connection when the body has been read.
func (x *memoryExchange) watch() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ended || x.watching != nil {
		return
	}
	watching := make(chan struct{})
	x.watching = watching
	go func() {
		defer close(watching)
		if _, err := x.r.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.leave()
		}
	}()
}

func (x *memoryExchange) unwatch() {
	x.mu.Lock()
	watching := x.watching
	x.mu.Unlock()
	if watching != nil {
		x.c.SetReadDeadline(time.Unix(1, 0))
		<-watching
	}
	x.c.SetDeadline(time.Time{})
}

func (x *memoryExchange) leave() {
	x.mu.Lock()
	first := x.left == nil
	x.left = errLeft
	cancel := x.cancel
	x.mu.Unlock()
	if first && cancel != nil {
		cancel(errLeft)
	}
}

func (x *memoryExchange) Message() *host.Message { return &x.msg }

func (x *memoryExchange) RequestTrailers() []host.Pair { return x.trailers }

func (x *memoryExchange) Hijack() error {
	x.unwatch()
	x.raw, x.close = true, true
	return nil
}

func (x *memoryExchange) Read(p []byte) (int, error) {
	if x.raw {
		n, err := x.r.Read(p)
		if err != nil && err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.leave()
		}
		return n, err
	}
	if x.body == nil {
		return 0, io.EOF
	}
	if x.expect {
		x.expect = false
		if !x.headed {
			io.WriteString(x.c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
	}
	n, err := x.body.Read(p)
	if limited, ok := x.body.(*io.LimitedReader); ok && limited.N == 0 && err == nil {
		err = io.EOF
	}
	switch {
	case err == io.EOF:
		if limited, ok := x.body.(*io.LimitedReader); ok && limited.N > 0 {
			x.leave()
			return n, errLeft
		}
		x.mu.Lock()
		x.ended = true
		x.mu.Unlock()
		x.watch()
		if n > 0 {
			err = nil
		}
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		x.leave()
	}
	return n, err
}

func (x *memoryExchange) Send(p *host.Part) error {
	var b strings.Builder
	if p.Status != 0 {
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", p.Status, http.StatusText(p.Status))
		framed := p.Status < 200 || p.Status == 204 || p.Status == 304 || x.method == "HEAD"
		for _, h := range p.Headers {
			switch h.Name {
			case "Content-Length":
				framed = true
			case "Connection":
				x.close = true
				continue
			}
			b.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
		if p.Status >= 200 {
			x.headed = true
			// What is left of the body then may be left for ever.
			x.mu.Lock()
			x.close = x.close || !x.ended
			x.mu.Unlock()
			if x.chunked = !framed && x.proto == "HTTP/1.1"; x.chunked {
				b.WriteString("Transfer-Encoding: chunked\r\n")
			} else if !framed {
				x.close = true
			}
			if x.close {
				b.WriteString("Connection: close\r\n")
			}
		}
		b.WriteString("\r\n")
	}
	body := p.Body
	if p.File != nil {
		file := make([]byte, p.Length)
		n, err := p.File.ReadAt(file, p.Offset)
		if body = append(body[:len(body):len(body)], file[:n]...); int64(n) < p.Length {
			x.leave()
			return err
		}
	}
	if len(body) > 0 && x.chunked {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(body), body)
	} else {
		b.Write(body)
	}
	switch {
	case p.End == host.Complete && x.chunked:
		b.WriteString("0\r\n")
		for _, h := range p.Trailers {
			b.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
		b.WriteString("\r\n")
	case p.End == host.Aborted && !x.headed && !x.raw:
		b.WriteString("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
	x.end = p.End
	n, err := io.WriteString(x.c, b.String())
	p.Sent = int64(max(0, n-(b.Len()-len(body))))
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			x.leave()
		}
		return err
	}
	return nil
}

func (x *memoryExchange) OnCancel(f func(error)) {
	x.mu.Lock()
	x.cancel = f
	left := x.left
	x.mu.Unlock()
	if left != nil {
		f(left)
	}
}

func (x *memoryExchange) SetReadDeadline(t time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended && !x.raw {
		return nil // the deadline is the watch's
	}
	return x.c.SetReadDeadline(t)
}

func (x *memoryExchange) SetWriteDeadline(t time.Time) error { return x.c.SetWriteDeadline(t) }
