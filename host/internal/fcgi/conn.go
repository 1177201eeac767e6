// A connection: reads records, hands requests out, writes responses.

package fcgi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxParams = 1 << 20 // bytes of all parameters of a request
	maxValues = 4 << 10 // bytes of a GET_VALUES
	window    = 64 << 10
	lingering = 5 * time.Second
)

// ErrLeft is why reads and writes fail when the server has broken a request off.
var ErrLeft = errors.New("fcgi: the server has aborted the request or closed the connection")

// Conn is a connection from a server. One goroutine, Serve's, reads; the
// request's writes. It carries one request after the other, never two at once.
type Conn struct {
	c      net.Conn
	r      *bufio.Reader
	handle func(*Request)

	mu      sync.Mutex
	active  *Request
	closing bool          // no further request
	ended   chan struct{} // closed when the active request's goroutine has ended

	writing sync.Mutex // held for a write of records; taken after mu
	out     []byte
}

// NewConn makes a connection whose requests are given to handle, each on a
// goroutine of its own.
func NewConn(c net.Conn, handle func(*Request)) *Conn {
	return &Conn{c: c, r: bufio.NewReaderSize(c, 8<<10), handle: handle}
}

// Serve serves the connection to its end. An error is what the peer did wrong.
func (c *Conn) Serve() error {
	var err error
	for err == nil {
		err = c.record()
	}
	c.mu.Lock()
	c.closing = true
	active, ended := c.active, c.ended
	c.mu.Unlock()
	if active != nil {
		active.leave()
		<-ended
	}
	c.c.Close()
	if errors.Is(err, ErrProtocol) {
		return err
	}
	return nil
}

// Shutdown ends the connection when its request has ended, at once if there is
// none.
func (c *Conn) Shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	if c.active == nil {
		c.c.Close()
	}
}

// Close breaks the connection off.
func (c *Conn) Close() { c.c.Close() }

// record reads a record and does what it asks for.
func (c *Conn) record() error {
	h, err := readHeader(c.r)
	if err != nil {
		return err
	}
	content := &io.LimitedReader{R: c.r, N: int64(h.length)}
	if h.id == 0 {
		err = c.manage(h, content)
	} else {
		err = c.request(h, content)
	}
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, c.r, content.N+int64(h.padding))
	return err
}

// manage answers a management record.
func (c *Conn) manage(h header, content io.Reader) error {
	if h.kind != typeGetValues {
		return c.write(appendRecord(nil, typeUnknown, 0, []byte{h.kind, 0, 0, 0, 0, 0, 0, 0}))
	}
	if h.length > maxValues {
		return fmt.Errorf("%w: a GET_VALUES of %d bytes", ErrProtocol, h.length)
	}
	asked := make([]byte, h.length)
	if _, err := io.ReadFull(content, asked); err != nil {
		return err
	}
	var answer []byte
	err := Pairs(asked, func(name, _ string) {
		switch name {
		case "FCGI_MAX_CONNS", "FCGI_MAX_REQS":
			answer = AppendPair(answer, name, "65536")
		case "FCGI_MPXS_CONNS":
			answer = AppendPair(answer, name, "0")
		}
	})
	if err != nil {
		return err
	}
	return c.write(appendRecord(nil, typeResult, 0, answer))
}

// request takes a record of a request.
func (c *Conn) request(h header, content io.Reader) error {
	if h.kind == typeBegin {
		return c.begin(h, content)
	}
	c.mu.Lock()
	req := c.active
	c.mu.Unlock()
	if req == nil || req.id != h.id {
		return nil // has ended, or was refused
	}
	switch h.kind {
	case typeAbort:
		req.leave()
		return nil
	case typeParams:
		return c.params(req, h, content)
	case typeStdin:
		if h.length == 0 {
			req.in.end()
			return nil
		}
		return req.in.fill(content)
	}
	return nil
}

// begin takes a BEGIN_REQUEST.
func (c *Conn) begin(h header, content io.Reader) error {
	var b [8]byte
	if h.length != len(b) {
		return fmt.Errorf("%w: a BEGIN_REQUEST of %d bytes", ErrProtocol, h.length)
	}
	if _, err := io.ReadFull(content, b[:]); err != nil {
		return err
	}
	role, keep := binary.BigEndian.Uint16(b[:]), b[2]&flagKeep != 0
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.active != nil:
		return c.write(appendEnd(nil, h.id, 0, statusCannotMix))
	case c.closing:
		return io.EOF
	case role != roleResponder:
		return c.write(appendEnd(nil, h.id, 0, statusUnknownRole))
	}
	c.active = newRequest(c, h.id, keep)
	c.ended = make(chan struct{})
	close(c.ended) // until it runs
	return nil
}

// params gathers parameters; at their end the request begins to run.
func (c *Conn) params(req *Request, h header, content io.Reader) error {
	if req.running {
		return fmt.Errorf("%w: parameters after their end", ErrProtocol)
	}
	if len(req.params)+h.length > maxParams {
		return fmt.Errorf("%w: more than %d bytes of parameters", ErrProtocol, maxParams)
	}
	if h.length > 0 {
		at := len(req.params)
		req.params = append(req.params, make([]byte, h.length)...)
		_, err := io.ReadFull(content, req.params[at:])
		return err
	}
	err := Pairs(req.params, func(name, value string) { req.Params = append(req.Params, [2]string{name, value}) })
	if err != nil {
		return err
	}
	req.params, req.running = nil, true
	ended := make(chan struct{})
	c.mu.Lock()
	c.ended = ended
	c.mu.Unlock()
	go func() {
		defer close(ended)
		defer req.End(false) // if handle has not
		c.handle(req)
	}()
	return nil
}

// write writes whole records.
func (c *Conn) write(records []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.c.Write(records)
	return err
}

// finish ends the active request.
func (c *Conn) finish(req *Request, whole bool) error {
	c.mu.Lock()
	c.active = nil // before the server can know that it may send the next
	more := whole && req.keep && !c.closing
	c.closing = !more
	c.mu.Unlock()
	if !whole {
		// Without an END_REQUEST the server sees the cut. nginx without
		// buffering looks only whether the connection ends in an error.
		if tcp, ok := c.c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		return c.c.Close()
	}
	c.c.SetWriteDeadline(time.Time{})
	err := c.write(appendEnd(appendRecord(nil, typeStdout, req.id, nil), req.id, 0, statusComplete))
	if more && err == nil {
		return nil
	}
	// What the server still sends is read and dropped: a close with bytes
	// unread would take away what it has not read yet.
	if half, ok := c.c.(interface{ CloseWrite() error }); ok && err == nil && !req.in.whole() {
		half.CloseWrite()
		c.c.SetReadDeadline(time.Now().Add(lingering))
		return nil
	}
	c.c.Close()
	return err
}
