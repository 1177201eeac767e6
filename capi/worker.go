// The goroutines that requests of a queue run on.

package capi

import (
	"sync"
	"time"

	"pillion/host"
)

// A worker is a goroutine that runs one request after another, so that its
// stack, which handlers make grow, need not grow again for each. Between them
// it waits among the idle; a closed next ends it.
type worker struct {
	next chan *exchange // capacity 1: whoever starts a request never waits
}

const (
	maxIdle   = 256 // stacks that are kept for requests to come
	trimPause = time.Second
)

// idleWorkers has the worker to use next last: its stack is the most likely to
// be in the processor's cache.
type idleWorkers struct {
	mu       sync.Mutex
	workers  []*worker
	trimming bool
}

var idle idleWorkers

// take returns a worker that waits, nil if there is none.
func (p *idleWorkers) take() *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.workers) - 1
	if last < 0 {
		return nil
	}
	w := p.workers[last]
	p.workers = p.workers[:last]
	return w
}

// add has w wait. It is false if there are enough.
func (p *idleWorkers) add(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.workers) == maxIdle {
		return false
	}
	p.workers = append(p.workers, w)
	if !p.trimming {
		p.trimming = true
		time.AfterFunc(trimPause, p.trim)
	}
	return true
}

func (p *idleWorkers) trim() {
	if p.shrink() {
		time.AfterFunc(trimPause, p.trim)
	}
}

// shrink ends half of the workers that wait, those that have waited longest, and
// says whether there are others. What was too many costs little to make again,
// and an idle process has none soon.
func (p *idleWorkers) shrink() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := (len(p.workers) + 1) / 2
	for _, w := range p.workers[:n] {
		close(w.next)
	}
	left := copy(p.workers, p.workers[n:])
	clear(p.workers[left:])
	p.workers = p.workers[:left]
	p.trimming = left > 0
	return p.trimming
}

// start runs x on a goroutine. It never blocks.
func start(x *exchange) {
	if w := idle.take(); w != nil {
		w.next <- x
		return
	}
	go work(x)
}

// work also ends with a handler that ends its goroutine.
func work(x *exchange) {
	w := &worker{make(chan *exchange, 1)}
	for ok := true; ok; {
		x.run()
		if !idle.add(w) {
			return
		}
		x, ok = <-w.next
	}
}

func (x *exchange) run() {
	defer x.finish() // also when the handler ends its goroutine
	host.Serve(x)
}
