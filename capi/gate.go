// Waiting for the owner's thread, with deadlines.

//go:build cgo

package capi

import (
	"os"
	"sync"
	"time"
)

// A gate lets one goroutine wait until others say that something has changed.
type gate struct {
	mu      sync.Mutex
	ch      chan struct{} // capacity 1; made by the first wait
	timer   *time.Timer
	expired bool
	series  int // tells a timer that it has been replaced
}

// wake lets the waiter look again. It never blocks.
func (g *gate) wake() {
	g.mu.Lock()
	g.signal()
	g.mu.Unlock()
}

func (g *gate) signal() {
	if g.ch == nil {
		return
	}
	select {
	case g.ch <- struct{}{}:
	default:
	}
}

// prepare returns the channel that the next wake signals; called before the
// waiter's last look at what it waits for.
func (g *gate) prepare() (<-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.expired {
		return nil, os.ErrDeadlineExceeded
	}
	if g.ch == nil {
		g.ch = make(chan struct{}, 1)
	}
	return g.ch, nil
}

func (g *gate) passed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.expired
}

func (g *gate) setDeadline(t time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.series++
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.expired = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		g.expired = true
		g.signal()
		return
	}
	series := g.series
	g.timer = time.AfterFunc(wait, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if series == g.series {
			g.expired = true
			g.signal()
		}
	})
}

// stop ends the timer, once nobody sets deadlines any more.
func (g *gate) stop() {
	if g.series != 0 {
		g.setDeadline(time.Time{})
	}
}

// renew makes a stopped gate fit for another waiter. Only who calls wake may
// call it.
func (g *gate) renew() {
	select {
	case <-g.ch: // what nobody waited for any more; never, if there is no ch
	default:
	}
}
