// Connections that handlers take over.

package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errHeadSent is why Hijack fails after the head has gone to the server, which
// frames what follows.
var errHeadSent = fmt.Errorf("host: Hijack after the head was sent: %w", errors.ErrUnsupported)

// hijackable is the ResponseWriter for connections that can be taken over.
type hijackable struct{ *response }

// Hijack implements http.Hijacker.
func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	taken, err := h.response.hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &handle{taken}
	runtime.AddCleanup(c, func(taken *conn) { go taken.close() }, taken)
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

func (w *response) hijack() (*conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch err := w.shut(); {
	case err != nil:
		return nil, err
	case w.err != nil:
		return nil, w.err
	case w.sentHead:
		return nil, errHeadSent
	}
	s := w.s
	c := &conn{
		s: s, first: s.body.release(), local: s.localAddr(), remote: s.remoteAddr(),
		gone: make(chan struct{}), closed: make(chan struct{}),
	}
	if err := s.x.Hijack(); err != nil {
		w.fail(err)
		return nil, err
	}
	s.x.SetReadDeadline(time.Time{})
	s.x.SetWriteDeadline(time.Time{})
	w.drop()
	if w.wroteHeader {
		if err := s.x.Send(&Part{Body: w.rawHead()}); err != nil {
			w.fail(err)
		}
	}
	s.taken.Store(c)
	s.x.OnCancel(c.abandoned) // no affair of the context any more, as with net/http
	return c, nil
}

// rawHead is the head of a response whose handler has called WriteHeader and
// then takes the connection over, as net/http writes it.
func (w *response) rawHead() []byte {
	header := w.header
	if w.switching != nil {
		header = w.switching
	}
	var b bytes.Buffer
	r := &w.s.request
	fmt.Fprintf(&b, "HTTP/1.%d %03d %s\r\n", r.ProtoMinor, w.status, statusText(w.status))
	without := map[string]bool{"Transfer-Encoding": true}
	chunked := false
	switch {
	case w.status == http.StatusNotModified:
		without["Content-Type"], without["Content-Length"] = true, true
	case !bodyAllowed(w.status):
		without["Content-Length"] = true
	default:
		chunked = w.length < 0 && r.ProtoMinor > 0 && !w.isHead
	}
	for name := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			without[name] = true
		}
	}
	header.WriteSubset(&b, without)
	if _, ok := header["Date"]; !ok {
		b.WriteString("Date: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	}
	if chunked {
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "status code " + strconv.Itoa(status)
}

// handle is what the application gets. When it has lost it the connection is
// closed, as net's are.
type handle struct{ *conn }

// Read implements net.Conn.
func (h *handle) Read(p []byte) (int, error) {
	n, err := h.conn.Read(p)
	runtime.KeepAlive(h)
	return n, err
}

// Write implements net.Conn.
func (h *handle) Write(p []byte) (int, error) {
	n, err := h.conn.Write(p)
	runtime.KeepAlive(h)
	return n, err
}

// conn is a connection that was taken over. Until it is closed Serve does not
// return, whether the handler has or not.
type conn struct {
	s             *serving
	local, remote net.Addr

	goneOnce sync.Once
	gone     chan struct{} // closed when the client has left
	closed   chan struct{} // closed when the Exchange is not needed any more

	// mu guards over, and the Exchange's deadlines with it: when over is set
	// they stay passed.
	mu   sync.Mutex
	over bool

	reading sync.Mutex // held while the Exchange reads
	first   []byte     // what comes before that
	writing sync.Mutex // held while the Exchange sends
}

// Read is a net.Conn's.
func (c *conn) Read(p []byte) (n int, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	switch {
	case c.isOver():
		return 0, c.fault("read", net.ErrClosed)
	case len(p) == 0:
		return 0, nil
	case len(c.first) > 0:
		n = copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err = c.s.x.Read(p)
	return n, c.fault("read", err)
}

// Write is a net.Conn's.
func (c *conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.isOver() {
		return 0, c.fault("write", net.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	part := Part{Body: p}
	err = c.s.x.Send(&part)
	return int(part.Sent), c.fault("write", err)
}

// Close implements net.Conn. What was written before reaches the client.
func (c *conn) Close() error {
	if !c.close() {
		return c.fault("close", net.ErrClosed)
	}
	return nil
}

// close breaks off reads and writes, and then gives the connection back; false
// if it was closed before.
func (c *conn) close() bool {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return false
	}
	c.over = true
	past := time.Unix(1, 0)
	c.s.x.SetReadDeadline(past)
	c.s.x.SetWriteDeadline(past)
	c.mu.Unlock()

	c.reading.Lock()
	c.writing.Lock()
	c.s.x.Send(&Part{End: Complete})
	c.first = nil
	c.writing.Unlock()
	c.reading.Unlock()
	close(c.closed)
	return true
}

func (c *conn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// fault is err as net's connections return it.
func (c *conn) fault(op string, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case c.isOver():
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.fault("set", c.deadline(t, Exchange.SetReadDeadline))
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.fault("set", c.deadline(t, Exchange.SetWriteDeadline))
}

func (c *conn) deadline(t time.Time, set func(Exchange, time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return net.ErrClosed
	}
	return set(c.s.x, t)
}

// abandoned is told that the client has left.
func (c *conn) abandoned(error) {
	c.goneOnce.Do(func() { close(c.gone) })
	c.s.neglect()
}

// outlive waits until nobody needs the connection of a handler that has
// returned: it was closed, or the client has left.
func (c *conn) outlive(r *http.Request) {
	if r.MultipartForm != nil {
		r.MultipartForm.RemoveAll()
	}
	select {
	case <-c.closed:
	case <-c.gone:
		c.close()
		<-c.closed
	}
}

// remoteAddr is the client's address, as far as it is known.
func (s *serving) remoteAddr() net.Addr {
	if s.client == "@" {
		return &net.UnixAddr{Name: "@", Net: "unix"}
	}
	host, port, _ := net.SplitHostPort(s.client)
	return tcpAddr(host, port)
}
