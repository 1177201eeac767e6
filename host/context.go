// The context of a request: one that costs nothing until somebody looks.

package host

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// requestContext is a request's context. It is cancelled once and has no
// deadline. Most handlers never wait for it, so the context that does the work
// is made when something asks for more than Err: package context then finds it
// by Value, and treats it and its children as its own.
type requestContext struct {
	s    *serving
	real atomic.Pointer[cancellable]

	// mu guards ended and cause, and the making of real.
	mu    sync.Mutex
	ended bool
	cause error
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// end cancels the context. Only the first time counts.
func (c *requestContext) end(cause error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.cause = true, cause
	real := c.real.Load()
	c.mu.Unlock()
	if real != nil {
		real.cancel(cause)
	}
}

// materialize returns the context that does the work.
func (c *requestContext) materialize() *cancellable {
	if real := c.real.Load(); real != nil {
		return real
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	real := c.real.Load()
	if real == nil {
		real = new(cancellable)
		real.Context, real.cancel = context.WithCancelCause(context.Background())
		if c.ended {
			real.cancel(c.cause)
		}
		c.real.Store(real)
	}
	return real
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} { return c.materialize().Done() }

// Err implements context.Context.
func (c *requestContext) Err() error {
	if real := c.real.Load(); real != nil {
		return real.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.real.Load() != nil:
		return c.real.Load().Err()
	case c.ended:
		return context.Canceled
	}
	return nil
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
