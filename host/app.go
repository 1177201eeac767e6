// The gateway interface: an application as a function of an environ, PEP 3333
// in Go.

package host

import (
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
)

// App is an application in the form of PEP 3333: it takes the environ of a
// request, calls start with the head of the response, and returns the body as a
// sequence of blocks.
//
//	func hello(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
//		start("200 OK", []host.Pair{{Name: "Content-Type", Value: "text/plain"}}, nil)
//		return host.Blocks([]byte("Hello, world!\n"))
//	}
//
// start is called once before the first block that is not empty, in the
// application's own body or in the sequence. The head goes out with that block,
// or at the end. A nil sequence is an empty one.
//
// Each block is sent before the next is asked for. An error in the sequence ends
// the response: with a 500 if the head has not been sent, otherwise by breaking
// it off, so that the client can tell; it is logged unless it is
// http.ErrAbortHandler. The sequence is run at most once, and when the client has
// left or the response has failed it is stopped: its deferred functions run.
//
// An App is an http.Handler, and FromHandler makes an App of any http.Handler.
type App func(env *Env, start StartResponse) iter.Seq2[[]byte, error]

// StartResponse takes the head of a response and returns the way to write its
// body. status is three digits, a space and a reason, which HTTP/2 and net/http
// do not send. A status of 1xx is informational: it goes out at once, and the
// final one is still to come.
//
// It is called again only to replace a head by that of an error, which it is
// given as err; that works until the head has been sent, and afterwards breaks
// the response off. What the application must not send is a fault of its own,
// and found here rather than when it is sent: StartResponse panics if status or
// a header is malformed, if a header is a hop-by-hop header or Status, and if it
// is called a second time without an error. A Content-Type that is missing is
// found by looking at the first bytes of the body; an empty one is not sent.
//
// The Writer takes body bytes, as net/http's does: small pieces may wait for
// more until Flush. It may be used besides the blocks of the sequence, and not
// after the sequence has ended. A server's writer also has the methods
//
//	Flush() error                        // see Flush
//	ReadFrom(io.Reader) (int64, error)   // see FileWrapper
//	SetTrailers([]Pair) error            // see SetTrailers
//
// A middleware that puts a writer of its own in its place offers those it can
// honour; one with the method Unwrap() io.Writer lends those of Flush and
// SetTrailers that it lacks.
type StartResponse func(status string, headers []Pair, err error) io.Writer

// HandleApp registers app as Handle does. It panics also if app is nil.
func HandleApp(name string, app App) {
	if app == nil {
		panic("host: HandleApp: the application \"" + name + "\" is nil")
	}
	Handle(name, app)
}

// Middleware makes an application of another one. See package middleware for
// those that are ready to use.
type Middleware func(App) App

// Chain puts middleware around app. The first is the outermost: it sees the
// request first and the response last.
func Chain(app App, middleware ...Middleware) App {
	for i := len(middleware) - 1; i >= 0; i-- {
		app = middleware[i](app)
	}
	return app
}

// Blocks is a sequence of ready blocks.
func Blocks(blocks ...[]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// Fail is a sequence that ends with err at once.
func Fail(err error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { yield(nil, err) }
}

// ServeHTTP implements http.Handler.
func (app App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	env := newEnv(r)
	env.Control = &control{http.NewResponseController(w), env.shared}
	a := &appResponse{w: w, env: env}
	env.shared.w, env.shared.answer = w, a
	defer env.Errors.Flush()
	a.run(app(env, a.start))
}

// run sends the blocks and ends the response.
func (a *appResponse) run(blocks iter.Seq2[[]byte, error]) {
	if blocks != nil {
		for block, err := range blocks {
			if err != nil {
				a.failed = err
				break
			}
			if len(block) > 0 && !a.block(block) {
				break
			}
		}
	}
	switch {
	case a.env.shared.taken:
	case a.failed != nil:
		a.fail()
	case !a.started:
		panic("host: the application has not called StartResponse")
	case !a.sent:
		a.send()
	}
	a.over = true
}

// block sends a block of the sequence and says whether the next is wanted.
func (a *appResponse) block(block []byte) bool {
	if !a.started {
		panic("host: a block of the body came before StartResponse was called")
	}
	_, err := a.Write(block)
	if err == nil {
		err = a.Flush()
	}
	if err != nil && a.failed == nil && a.env.Context().Err() == nil {
		logRequest(a.env.Context(), slog.LevelError, "PILLION-1101: the rest of the body is not sent: "+err.Error())
	}
	return err == nil
}

// fail ends the response of an application that has failed.
func (a *appResponse) fail() {
	a.over = true
	silent := errors.Is(a.failed, http.ErrAbortHandler) || a.env.Context().Err() != nil
	if !silent {
		logRequest(a.env.Context(), slog.LevelError, "PILLION-1102: the application failed: "+a.failed.Error())
	}
	if a.sent || silent {
		panic(http.ErrAbortHandler)
	}
	http.Error(a.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}
