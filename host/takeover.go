// Connections that are taken over below an App.

package host

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"time"
)

// control is the Control of an App's environ: the server's, that notes a
// connection taken over.
type control struct {
	*http.ResponseController
	shared *shared
}

// Hijack implements Control.
func (c *control) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := c.ResponseController.Hijack()
	if err == nil {
		c.shared.taken = true
	}
	return conn, rw, err
}

// hijacks reports whether a ResponseWriter, or what it wraps, is an
// http.Hijacker.
func hijacks(w http.ResponseWriter) bool {
	for {
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

// hijackableApp is the ResponseWriter of a handler below an App whose connection
// can be taken over.
type hijackableApp struct {
	*response
	env *Env
}

// Hijack implements http.Hijacker.
func (h hijackableApp) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w := h.response
	w.mu.Lock()
	defer w.mu.Unlock()
	switch err := w.shut(); {
	case err != nil:
		return nil, nil, err
	case w.sentHead:
		return nil, nil, errHeadSent
	}
	if w.wroteHeader {
		header := w.header
		if w.switching != nil {
			header = w.switching
		}
		outer := h.env.shared.w
		maps.Copy(outer.Header(), header)
		outer.WriteHeader(w.status)
	}
	c, rw, err := h.env.Control.Hijack()
	if err == nil {
		w.drop()
		w.s.taken.Store(new(conn)) // nothing more can be written
	}
	return c, rw, err
}

// SetReadDeadline limits reads of the connection too, once it is taken over.
func (h hijackableApp) SetReadDeadline(t time.Time) error {
	return h.deadline(t, Control.SetReadDeadline, h.response.SetReadDeadline)
}

// SetWriteDeadline so limits writes.
func (h hijackableApp) SetWriteDeadline(t time.Time) error {
	return h.deadline(t, Control.SetWriteDeadline, h.response.SetWriteDeadline)
}

func (h hijackableApp) deadline(t time.Time, taken func(Control, time.Time) error, own func(time.Time) error) error {
	if h.s.taken.Load() != nil {
		return taken(h.env.Control, t)
	}
	return own(t)
}
