// The context of a request: one that costs nothing until somebody looks.

package host

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// requestContext is a request's context. It is cancelled once and has no
// deadline. Most handlers never wait for it, so the context that does the work
// is made when something asks for more than Err: package context then finds it
// by Value, and treats it and its children as its own.
type requestContext struct {
	s *serving
	// state is nil until the context has ended or somebody has looked.
	state atomic.Pointer[contextState]
}

// contextState is a context that does the work, or without one an end that
// nobody has looked at yet.
type contextState struct {
	context.Context
	cancel context.CancelCauseFunc
	cause  error
}

// canceled is the end that most requests come to.
var canceled = &contextState{cause: context.Canceled}

// end cancels the context. Only the first time counts.
func (c *requestContext) end(cause error) {
	state := c.state.Load()
	if state == nil {
		ended := canceled
		if cause != nil && cause != context.Canceled {
			ended = &contextState{cause: cause}
		}
		if c.state.CompareAndSwap(nil, ended) {
			return
		}
		state = c.state.Load()
	}
	if state.Context != nil {
		state.cancel(cause)
	}
}

// materialize returns the context that does the work.
func (c *requestContext) materialize() context.Context {
	for {
		state := c.state.Load()
		if state != nil && state.Context != nil {
			return state
		}
		real := new(contextState)
		real.Context, real.cancel = context.WithCancelCause(context.Background())
		if state != nil {
			real.cancel(state.cause)
		}
		if c.state.CompareAndSwap(state, real) {
			return real
		}
	}
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} { return c.materialize().Done() }

// Err implements context.Context.
func (c *requestContext) Err() error {
	switch state := c.state.Load(); {
	case state == nil:
		return nil
	case state.Context == nil:
		return context.Canceled
	default:
		return state.Err()
	}
}

// Value implements context.Context. Keys that are not known here may be those
// by which package context finds its own.
func (c *requestContext) Value(key any) any {
	switch key {
	case scopeKey{}:
		return &c.s.scope
	case http.ServerContextKey:
		return server
	case http.LocalAddrContextKey:
		return c.s.localAddr()
	}
	return c.materialize().Value(key)
}

// String names the context where contexts made from it are printed.
func (c *requestContext) String() string { return "host.request" }
