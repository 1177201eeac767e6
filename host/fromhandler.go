// An http.Handler as an App.

package host

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// FromHandler makes an App of h. The handler runs when the sequence does, and
// writes through what StartResponse returns: streaming, flushes, trailers,
// informational heads, deadlines and panics come through as they are. What
// middleware has changed in the environ is what h finds in its request: method,
// path and query, header and body.
//
// The environ must be a server's or NewEnv's. An App needs no FromHandler: it is
// returned as it is.
func FromHandler(h http.Handler) App {
	if app, ok := h.(App); ok {
		return app
	}
	return func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			if env.r == nil {
				yield(nil, errors.New("host: FromHandler: the environ was made by neither a server nor NewEnv"))
				return
			}
			if env.serve(h, start) == Aborted {
				yield(nil, http.ErrAbortHandler)
			}
		}
	}
}

// serve runs h below an App and says how its response ended.
func (e *Env) serve(h http.Handler, start StartResponse) End {
	x := &appExchange{env: e, start: start}
	s := newServing(x, &Message{})
	if outer := scopeOf(e.ctx); outer != nil {
		s.scope = *outer
	}
	s.scope.environ = e

	ctx := context.WithValue(e.ctx, scopeKey{}, &s.scope)
	ctx = context.WithValue(ctx, valuesKey{}, e.Values)
	r := e.request(ctx)
	s.request = *r
	s.w.isHead = r.Method == http.MethodHead
	s.w.files = true
	var w http.ResponseWriter = &s.w
	if e.Control != nil && e.shared.w != nil && hijacks(e.shared.w) {
		s.w.canHijack = true
		w = hijackableApp{&s.w, e}
	}
	defer func() {
		s.leave()
		if r.MultipartForm != nil {
			r.MultipartForm.RemoveAll()
		}
	}()
	h.ServeHTTP(w, r)
	s.w.finish()
	return x.end
}

// leave closes the way to the exchange, also to a handler that panics.
func (s *serving) leave() {
	s.w.mu.Lock()
	s.w.over = true
	s.w.drop()
	s.w.mu.Unlock()
	s.gate.Lock()
	s.over = true
	s.gate.Unlock()
}

// request is the request as the environ has it by now.
func (e *Env) request(ctx context.Context) *http.Request {
	r := e.r.WithContext(ctx)
	r.Header = e.Header
	now := e.place()
	if e.Input != e.body && (now.length != e.was.length || r.ContentLength != 0) {
		r.Body = struct {
			io.Reader
			io.Closer
		}{e.Input, e.r.Body}
	}
	if r.Body != http.NoBody && r.Trailer == nil {
		r.Body = &trailing{r.Body, e.r, r}
	}
	if now.length != e.was.length {
		r.ContentLength, r.TransferEncoding = -1, nil
		if n, ok := parseLength(now.length); ok {
			r.ContentLength = n
		}
	}
	if now == e.was {
		return r
	}
	r.Method = now.method
	u := *r.URL
	if now.script != e.was.script || now.path != e.was.path {
		if parseTarget(&u, r.Method, r.RequestURI) != nil || now.script == "" && u.Path != now.path {
			u.Path, u.RawPath = now.path, ""
		}
		mount(&u, r.RequestURI, now.script, now.path, now.query)
	}
	u.RawQuery = now.query
	r.URL = &u
	return r
}

// trailing is a body whose trailers come to a request and are handed on.
type trailing struct {
	io.ReadCloser
	from, to *http.Request
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.to.Trailer = b.from.Trailer
	}
	return n, err
}

// appExchange hands the parts of a response to the outer StartResponse.
type appExchange struct {
	env        *Env
	start      StartResponse
	w          io.Writer
	end        End
	unmeasured bool // the head has no length
}

// Message implements Exchange; the request was made of the environ.
func (x *appExchange) Message() *Message { return nil }

// Read implements Exchange; the body is the outer request's.
func (x *appExchange) Read([]byte) (int, error) { return 0, io.EOF }

// RequestTrailers implements Exchange; they come with the body.
func (x *appExchange) RequestTrailers() []Pair { return nil }

// Hijack implements Exchange; see hijackableApp.
func (x *appExchange) Hijack() error { return errors.ErrUnsupported }

// OnCancel implements Exchange; the context is the outer one's.
func (x *appExchange) OnCancel(func(error)) {}

// Send implements Exchange.
func (x *appExchange) Send(p *Part) error {
	x.end = p.End
	if p.Status != 0 {
		headers := make([]Pair, 0, len(p.Headers)+1)
		typed := !bodyAllowed(p.Status)
		x.unmeasured = bodyAllowed(p.Status)
		for _, h := range p.Headers {
			switch h.Name {
			case "Connection":
				x.env.shared.close = true // not for an App to say
				continue
			case "Content-Type":
				typed = true
			case "Content-Length":
				x.unmeasured = false
			}
			headers = append(headers, h)
		}
		if !typed {
			headers = append(headers, Pair{"Content-Type", ""})
		}
		w := x.start(statusLine(p.Status), headers, nil)
		if p.Status >= 200 {
			x.w = w
		}
	}
	if x.w == nil {
		return nil
	}
	if len(p.Body) > 0 {
		n, err := x.w.Write(p.Body)
		p.Sent += int64(n)
		if err != nil {
			return err
		}
	}
	if src, ok := p.File.(io.Reader); ok { // it stands at p.Offset
		n, err := readFrom(x.w, &io.LimitedReader{R: src, N: p.Length})
		p.Sent += n
		if err == nil && n < p.Length {
			err = io.ErrUnexpectedEOF // it has shrunk
		}
		if err != nil {
			return err
		}
	}
	if p.Flush || p.End == Aborted && (p.Status != 0 || len(p.Body) > 0) { // an error would take back what waits
		if err := Flush(x.w); err != nil {
			return err
		}
	}
	if len(p.Trailers) > 0 {
		return SetTrailers(x.w, p.Trailers)
	}
	if p.End == Open || x.unmeasured {
		x.env.shared.push() // what has come decides on the head, and not what comes later
	}
	return nil
}

func statusLine(status int) string {
	text := http.StatusText(status)
	if text == "" {
		text = "status " + strconv.Itoa(status)
	}
	return strconv.Itoa(status) + " " + text
}

// SetReadDeadline implements Exchange.
func (x *appExchange) SetReadDeadline(t time.Time) error {
	if x.env.Control == nil {
		return errors.ErrUnsupported
	}
	return x.env.Control.SetReadDeadline(t)
}

// SetWriteDeadline implements Exchange.
func (x *appExchange) SetWriteDeadline(t time.Time) error {
	if x.env.Control == nil {
		return errors.ErrUnsupported
	}
	return x.env.Control.SetWriteDeadline(t)
}
