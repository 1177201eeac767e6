// One request of a connection.

package fcgi

import (
	"sync"
	"time"
)

// Request is a request and the way to write its response. Read and Write may run
// at the same time; the others belong to the goroutine of handle.
type Request struct {
	// Params are the parameters, in order.
	Params [][2]string

	c       *Conn
	id      uint16
	keep    bool
	running bool
	over    bool
	params  []byte
	in      *pipe

	mu   sync.Mutex
	gone bool
	left func()
}

func newRequest(c *Conn, id uint16, keep bool) *Request {
	return &Request{c: c, id: id, keep: keep, in: newPipe()}
}

// Read reads the body, io.EOF at its end.
func (r *Request) Read(p []byte) (int, error) { return r.in.Read(p) }

// Write sends response bytes.
func (r *Request) Write(p []byte) (n int, err error) {
	c := r.c
	c.writing.Lock()
	defer c.writing.Unlock()
	for len(p) > 0 {
		part := p[:min(len(p), maxContent)]
		c.out = appendRecord(c.out[:0], typeStdout, r.id, part)
		if _, err := c.c.Write(c.out); err != nil {
			return n, err
		}
		n += len(part)
		p = p[len(part):]
	}
	return n, nil
}

// Log sends a line to the server's error log.
func (r *Request) Log(line string) error {
	line = line[:min(len(line), maxContent)]
	return r.c.write(appendRecord(nil, typeStderr, r.id, []byte(line)))
}

// OnLeave registers the function to call when the server aborts the request or
// closes the connection; at once if it has.
func (r *Request) OnLeave(f func()) {
	r.mu.Lock()
	r.left = f
	gone := r.gone
	r.mu.Unlock()
	if gone {
		f()
	}
}

// leave is called when the server wants no answer any more.
func (r *Request) leave() {
	r.in.fail(ErrLeft)
	r.mu.Lock()
	f, again := r.left, r.gone
	r.gone = true
	r.mu.Unlock()
	if f != nil && !again {
		f()
	}
}

// SetReadDeadline limits Read.
func (r *Request) SetReadDeadline(t time.Time) error {
	r.in.setDeadline(t)
	return nil
}

// SetWriteDeadline limits Write. A write that it has ended may have left half a
// record: the connection can only be closed then.
func (r *Request) SetWriteDeadline(t time.Time) error { return r.c.c.SetWriteDeadline(t) }

// End ends the response: whole, or broken off by closing the connection. One that
// the server has aborted has nothing to break off. Only the first call counts.
func (r *Request) End(whole bool) error {
	if r.over {
		return nil
	}
	r.over = true
	r.mu.Lock()
	whole = whole || r.gone // who has aborted it waits for its end
	r.mu.Unlock()
	r.in.fail(ErrLeft)
	return r.c.finish(r, whole)
}
