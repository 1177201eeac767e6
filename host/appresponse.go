// The server's side of StartResponse, over a ResponseWriter.

package host

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
)

// appResponse is the response to a request of an App: what StartResponse takes, and
// the writer it returns. It belongs to the application's goroutine.
type appResponse struct {
	w   http.ResponseWriter
	env *Env

	started bool // StartResponse was called
	sent    bool // the head has been handed over
	over    bool // the application has ended
	failed  error
	status  int
	headers []Pair
	length  int64 // declared, -1 if it is not
	written int64
}

// start implements StartResponse.
func (a *appResponse) start(status string, headers []Pair, err error) io.Writer {
	code := parseStatus(status)
	length := checkHeaders(headers)
	switch {
	case a.over:
		panic("host: StartResponse was called after the end of the response")
	case code < 200:
		a.inform(code, headers)
	case a.started && err == nil:
		panic("host: StartResponse was called a second time, and without an error")
	case a.sent:
		if a.failed == nil {
			a.failed = err
		}
	default:
		a.started, a.status, a.headers, a.length = true, code, append([]Pair(nil), headers...), length
	}
	return a
}

// parseStatus returns the number of a status.
func parseStatus(status string) int {
	code, err := strconv.Atoi(status[:min(3, len(status))])
	if err != nil || code < 100 || len(status) < 4 || status[3] != ' ' || !validValue(status) {
		panic("host: StartResponse: " + strconv.Quote(status) + " is not a status: three digits, a space and a reason")
	}
	if code == http.StatusSwitchingProtocols {
		panic("host: StartResponse: protocols are switched with Control.Hijack")
	}
	return code
}

// checkHeaders returns the declared length, -1 without one.
func checkHeaders(headers []Pair) int64 {
	length := int64(-1)
	for _, h := range headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		switch {
		case !validToken(h.Name):
			panic("host: StartResponse: " + strconv.Quote(h.Name) + " is not a header name")
		case !validValue(h.Value):
			panic("host: StartResponse: the value of " + h.Name + " holds a control character")
		case hopByHop(name):
			panic("host: StartResponse: " + h.Name + " is a hop-by-hop header, which is the server's")
		case name == "Status":
			panic("host: StartResponse: Status is not a header but the first argument")
		case name == "Content-Length":
			n, ok := parseLength(h.Value)
			if !ok || length >= 0 && n != length {
				panic("host: StartResponse: " + strconv.Quote(h.Value) + " is not a length, or not the only one")
			}
			length = n
		}
	}
	return length
}

// inform sends an informational head.
func (a *appResponse) inform(code int, headers []Pair) {
	if a.sent {
		panic("host: StartResponse: an informational status after the final one")
	}
	before := a.w.Header().Clone()
	setHeaders(a.w.Header(), headers)
	a.w.WriteHeader(code)
	clear(a.w.Header())
	for name, values := range before {
		a.w.Header()[name] = values
	}
}

// setHeaders puts headers into h, in place of those of the same names.
func setHeaders(h http.Header, headers []Pair) {
	for _, p := range headers {
		h.Del(p.Name)
	}
	for _, p := range headers {
		h.Add(p.Name, p.Value)
	}
	if types, ok := h["Content-Type"]; ok && types[0] == "" {
		h["Content-Type"] = nil // which keeps a ResponseWriter from finding one
	}
}

// send hands the head over.
func (a *appResponse) send() {
	a.sent = true
	setHeaders(a.w.Header(), a.headers)
	if a.env.shared.close {
		a.w.Header().Set("Connection", "close")
	}
	a.w.WriteHeader(a.status)
}

// ready prepares for body bytes.
func (a *appResponse) ready() error {
	switch {
	case a.failed != nil:
		return a.failed
	case a.over:
		return ErrHandlerReturned
	case !a.sent:
		a.send()
	}
	return nil
}

// Write implements io.Writer. Nothing is sent for an empty p.
func (a *appResponse) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, a.failed
	}
	if err := a.ready(); err != nil {
		return 0, err
	}
	n, err := a.w.Write(p)
	a.written += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom. It takes no more than a declared length has
// room for.
func (a *appResponse) ReadFrom(src io.Reader) (n int64, err error) {
	if err := a.ready(); err != nil {
		return 0, err
	}
	limited, ok := src.(*io.LimitedReader)
	switch {
	case a.length < 0:
		n, err = readFrom(a.w, src)
	case ok: // sendfile looks below one of them, and not below two
		part := &io.LimitedReader{R: limited.R, N: min(limited.N, a.length-a.written)}
		n, err = readFrom(a.w, part)
		limited.N -= n
	default:
		n, err = readFrom(a.w, &io.LimitedReader{R: src, N: a.length - a.written})
	}
	a.written += n
	return n, err
}

// readFrom hands src itself over if it can: io.Copy would ask a file to write.
func readFrom(w io.Writer, src io.Reader) (int64, error) {
	if to, ok := w.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(w, src)
}

// Flush sends at once what has been written, the head included.
func (a *appResponse) Flush() error {
	if err := a.ready(); err != nil {
		return err
	}
	err := http.NewResponseController(a.w).Flush()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // whoever is between decides what waits
	}
	return err
}

// SetTrailers sets the trailers, to be sent after the last block.
func (a *appResponse) SetTrailers(trailers []Pair) error {
	checkHeaders(trailers)
	for _, t := range trailers {
		if !validTrailer(textproto.CanonicalMIMEHeaderKey(t.Name)) {
			panic("host: SetTrailers: " + t.Name + " may not be a trailer")
		}
	}
	if err := a.ready(); err != nil {
		return err
	}
	for _, t := range trailers {
		a.w.Header().Add(http.TrailerPrefix+t.Name, t.Value)
	}
	return nil
}

// unwrapper is a writer that lends the methods of another one.
type unwrapper interface{ Unwrap() io.Writer }

// extension finds the first writer that is a T.
func extension[T any](w io.Writer) (t T, ok bool) {
	for {
		if t, ok = w.(T); ok {
			return t, true
		}
		u, wrapped := w.(unwrapper)
		if !wrapped {
			return t, false
		}
		w = u.Unwrap()
	}
}

// Flush sends at once what has been written to a writer that StartResponse has
// returned, and the head. It returns an error that matches errors.ErrUnsupported
// if a middleware refuses it.
func Flush(w io.Writer) error {
	if f, ok := extension[interface{ Flush() error }](w); ok {
		return f.Flush()
	}
	return errors.ErrUnsupported
}

// SetTrailers sets the trailers of a response by the writer that StartResponse
// has returned. It sends the head. It panics if a trailer is malformed or may not
// be one, and returns an error that matches errors.ErrUnsupported if a middleware
// refuses it.
func SetTrailers(w io.Writer, trailers []Pair) error {
	if t, ok := extension[interface{ SetTrailers([]Pair) error }](w); ok {
		return t.SetTrailers(trailers)
	}
	return errors.ErrUnsupported
}
