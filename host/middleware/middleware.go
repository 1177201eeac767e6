// Package middleware holds middleware for host.App: what stands between a server
// and an application, and is each to the other.
package middleware

import (
	"bufio"
	"io"
	"iter"
	"net"

	"pillion/host"
)

// blocks is the body of a response.
type blocks = iter.Seq2[[]byte, error]

// within returns an application whose call is made when its sequence is run, so
// that f is there from the beginning of a request to its end.
func within(f func(env *host.Env, start host.StartResponse, yield func([]byte, error) bool)) host.App {
	return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) { f(env, start, yield) }
	}
}

// each runs a sequence, which may be nil, until f says no.
func each(body blocks, f func([]byte, error) bool) {
	if body != nil {
		body(f)
	}
}

// writer passes what it is given to w, the writer that start has returned, and
// lets wrote see how much it was. Its methods are those that every server's
// writer has but ReadFrom.
type writer struct {
	w     io.Writer
	wrote func(n int64)
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.wrote(int64(n))
	return n, err
}

func (w *writer) Flush() error { return host.Flush(w.w) }

func (w *writer) SetTrailers(trailers []host.Pair) error { return host.SetTrailers(w.w, trailers) }

// fileWriter is a writer whose w takes files.
type fileWriter struct{ writer }

func (w *fileWriter) ReadFrom(src io.Reader) (int64, error) {
	n, err := w.w.(io.ReaderFrom).ReadFrom(src)
	w.wrote(n)
	return n, err
}

// watched is w with wrote told of what is written.
func watched(w io.Writer, wrote func(n int64)) io.Writer {
	if _, ok := w.(io.ReaderFrom); ok {
		return &fileWriter{writer{w, wrote}}
	}
	return &writer{w, wrote}
}

// takeover is a Control that tells when the connection is taken over: no
// response follows then.
type takeover struct {
	host.Control
	taken func()
}

// Hijack implements host.Control.
func (c takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := c.Control.Hijack()
	if err == nil {
		c.taken()
	}
	return conn, rw, err
}

// watchTakeover is env with taken told of a connection that is taken over.
func watchTakeover(env *host.Env, taken func()) *host.Env {
	if env.Control == nil {
		return env
	}
	c := *env
	c.Control = takeover{env.Control, taken}
	return &c
}
