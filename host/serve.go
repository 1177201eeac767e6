// One request from its Message to the end of its response.

package host

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// serving is one request being served. It is never reused: goroutines a
// handler leaves behind may hold it for ever, and find it over.
type serving struct {
	scope
	x       Exchange
	msg     *Message // nil when it has been taken back
	request http.Request
	ctx     requestContext
	url     url.URL
	values  [8]string // those of the request's header, if they are few
	body    body
	w       response

	serverAddr, serverPort string

	// handled says that the handler has ended; over, which gate guards, closes
	// the way to the Exchange's deadlines and to the Message. told, which the
	// request's shard guards, says that its handler's overstaying was logged.
	// Side by side the three need no more than a word.
	handled    atomic.Bool
	over, told bool
	gate       sync.Mutex

	// abandoned is the process's uptime when the request was cancelled while it
	// ran, 0 if it was not.
	abandoned atomic.Int64

	// taken is the connection, when the handler has taken it over.
	taken atomic.Pointer[conn]

	// prev and next link the requests of a shard, see lifecycle.go.
	prev, next *serving
}

// Serve serves one request to its end: it makes the request, runs the handler
// and sends the response. Whatever the handler does (panic, runtime.Goexit)
// the last part it sends, and only that one, has an End. It touches x no more
// when it has returned. A panic does not leave Serve; a Goexit does, after the
// response has ended.
//
// A request that is not valid HTTP gets its 4xx without a handler being called;
// an unknown application, and any request after Stop, an aborted response.
func Serve(x Exchange) { serveWith(x, nil) }

// serveWith is Serve with a handler that stands in for the application's, if it
// is not nil.
func serveWith(x Exchange, h http.Handler) {
	s := newServing(x, x.Message())
	if closed.Load() {
		s.refuse(nil)
		return
	}
	r, refused := s.newRequest()
	if refused != nil {
		s.log(slog.LevelInfo, "PILLION-1001: refused: "+refused.Error())
		s.refuse(refused)
		return
	}
	if h == nil {
		h = lookup(s.app)
	}
	if h == nil {
		s.log(slog.LevelError, "PILLION-1002: no such application")
		s.refuse(nil)
		return
	}
	if s.target == "*" && s.method == http.MethodOptions {
		h = http.HandlerFunc(generalOptions)
	}
	s.w.isHead = s.method == http.MethodHead
	s.w.files = s.msg.Files
	s.w.canHijack = s.msg.Hijack && r.ProtoMajor == 1
	sh, ok := enter(s)
	if !ok {
		s.refuse(nil)
		return
	}
	defer leave(s, sh)
	if c, ok := x.(CancelExchange); ok {
		c.Cancels(s)
	} else {
		x.OnCancel(s.Abandon)
	}
	if l, ok := x.(LendingExchange); ok {
		s.msg = nil
		l.TakeBack()
	}
	s.run(h, r)
}

func newServing(x Exchange, msg *Message) *serving {
	s := &serving{x: x, msg: msg}
	s.scope.app = msg.App
	s.scope.environ = s
	s.ctx.s, s.body.s, s.w.s = s, s, s
	s.w.length = -1
	return s
}

// cancel ends the request's context.
func (s *serving) cancel(cause error) { s.ctx.end(cause) }

// run calls the handler and ends the response.
func (s *serving) run(h http.Handler, r *http.Request) {
	returned := false
	defer func() {
		if !returned {
			s.broken(recover())
		}
		if c := s.taken.Load(); c != nil {
			c.outlive(r)
		}
		s.close()
		if r.MultipartForm != nil {
			r.MultipartForm.RemoveAll()
		}
	}()
	h.ServeHTTP(s.writer(), r)
	s.handled.Store(true)
	s.body.shut()
	s.cancel(context.Canceled)
	s.w.finish()
	returned = true
}

// writer is what the handler gets.
func (s *serving) writer() http.ResponseWriter {
	if s.w.canHijack {
		return hijackable{&s.w}
	}
	return &s.w
}

// broken ends the response of a handler that has panicked, or called
// runtime.Goexit if there is no reason.
func (s *serving) broken(reason any) {
	s.handled.Store(true)
	s.body.shut()
	s.cancel(context.Canceled)
	s.w.abort()
	if reason == http.ErrAbortHandler {
		return
	}
	what := "PILLION-1004: runtime.Goexit serving " + s.target
	if reason != nil {
		what = fmt.Sprintf("PILLION-1003: panic serving %s: %v", s.target, reason)
	}
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	line := append(s.scope.appendTo([]byte(what)), '\n')
	logLine(slog.LevelError, append(line, stack...))
}

// close gives the Exchange back.
func (s *serving) close() {
	s.body.shut()
	s.gate.Lock()
	s.over = true
	s.gate.Unlock()
	s.body.release()
}

// refuse answers a request without a handler; nil stands for a fault of the
// server's, which finds its own words.
func (s *serving) refuse(why *refusal) {
	s.cancel(context.Canceled)
	s.w.over = true
	p := Part{End: Aborted}
	if why != nil {
		text := why.Error()
		p = Part{Status: why.status, End: Complete, Headers: []Pair{
			{"Content-Length", decimal(int64(len(text)))},
			{"Content-Type", "text/plain; charset=utf-8"},
			{"Connection", "close"},
		}}
		if s.method != http.MethodHead {
			p.Body = []byte(text)
		}
	}
	s.x.Send(&p)
	s.close()
}

// log logs msg with the request's context.
func (s *serving) log(level slog.Level, msg string) {
	if logEnabled(level) {
		logLine(level, s.scope.appendTo([]byte(msg)))
	}
}

// deadline sets a deadline of the Exchange, unless it is out of bounds.
func (s *serving) deadline(t time.Time, set func(Exchange, time.Time) error) error {
	if c := s.taken.Load(); c != nil {
		return c.deadline(t, set)
	}
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.over {
		return ErrHandlerReturned
	}
	return set(s.x, t)
}

// breakOff makes reads and writes fail, those that are blocked included.
func (s *serving) breakOff() {
	if s.hangUp() {
		return
	}
	past := time.Unix(1, 0)
	s.deadline(past, Exchange.SetReadDeadline)
	s.deadline(past, Exchange.SetWriteDeadline)
}

// hangUp closes the connection if the handler has taken it over. It does not
// wait.
func (s *serving) hangUp() bool {
	c := s.taken.Load()
	if c != nil {
		go c.close()
	}
	return c != nil
}

// variables implements the request's scope.environ.
func (s *serving) variables() []Pair {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.over {
		return nil
	}
	var environ []Pair
	if s.msg != nil {
		environ = append(make([]Pair, 0, len(s.msg.Environ)+1), s.msg.Environ...)
	} else {
		environ = s.x.(LendingExchange).Environ()
	}
	environ = slices.DeleteFunc(environ, func(v Pair) bool { return v.Name == "HTTP_PROXY" })
	return withSoftware(environ)
}

// generalOptions answers OPTIONS *, which is about the server and not for any
// application.
func generalOptions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "0")
	io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 4<<10))
}
