// The goroutines that requests of a queue run on.

package capi

import (
	"sync"
	"time"

	"pillion/host"
)

// A worker is a goroutine that runs one request after another, so that its
// stack, which handlers make grow, need not grow again for each. When there is
// none to run it waits among the idle; a closed wake ends it.
type worker struct {
	wake  chan struct{} // capacity 1: whoever wakes a worker never waits
	pairs []host.Pair   // room for those of its request
}

const (
	maxIdle   = 256 // stacks that are kept for requests to come
	trimPause = time.Second
)

// workers runs requests, oldest first. A worker that has run one takes the next
// itself. So that a handler that blocks or computes holds up no other request,
// one worker is always on its way while there are requests that nobody runs;
// when it arrives and takes one, and leaves others, it sends for the next.
type workers struct {
	mu          sync.Mutex
	first, last *exchange // that nobody runs yet
	coming      bool      // a worker is on its way
	idle        []*worker // the one to use next last: its stack is the most likely to be in the processor's cache
	trimming    bool
}

var pool workers

// start has a worker run x. It never blocks.
func (p *workers) start(x *exchange) {
	x.next = nil
	p.mu.Lock()
	if p.last != nil {
		p.last.next = x
	} else {
		p.first = x
	}
	p.last = x
	w, send := p.send()
	p.mu.Unlock()
	if send {
		p.call(w)
	}
}

// send says whether a worker is to be called, and which, nil for a new one.
func (p *workers) send() (w *worker, send bool) {
	if p.first == nil || p.coming {
		return nil, false
	}
	p.coming = true
	if last := len(p.idle) - 1; last >= 0 {
		w = p.idle[last]
		p.idle = p.idle[:last]
	}
	return w, true
}

func (p *workers) call(w *worker) {
	if w != nil {
		w.wake <- struct{}{}
		return
	}
	go p.work(&worker{wake: make(chan struct{}, 1)})
}

// work also ends with a handler that ends its goroutine.
func (p *workers) work(w *worker) {
	for arrived := true; ; {
		x, stay := p.take(w, arrived)
		arrived = false
		switch {
		case x != nil:
			x.run(w)
		case !stay:
			return
		default:
			if _, arrived = <-w.wake; !arrived {
				return
			}
		}
	}
}

// take returns the next request. If there is none w is among the idle from then
// on, or there are enough and it is to end. arrived says that w had been sent
// for.
func (p *workers) take(w *worker, arrived bool) (x *exchange, stay bool) {
	p.mu.Lock()
	if arrived {
		p.coming = false
	}
	x = p.first
	if x == nil {
		stay = p.add(w)
		p.mu.Unlock()
		return nil, stay
	}
	p.first = x.next
	if p.first == nil {
		p.last = nil
	}
	next, send := p.send()
	p.mu.Unlock()
	if send {
		p.call(next)
	}
	return x, true
}

// add has w wait. It is false if there are enough.
func (p *workers) add(w *worker) bool {
	if len(p.idle) == maxIdle {
		return false
	}
	p.idle = append(p.idle, w)
	if !p.trimming {
		p.trimming = true
		time.AfterFunc(trimPause, p.trim)
	}
	return true
}

func (p *workers) trim() {
	if p.shrink() {
		time.AfterFunc(trimPause, p.trim)
	}
}

// shrink ends half of the workers that wait, those that have waited longest, and
// says whether there are others. What was too many costs little to make again,
// and an idle process has none soon.
func (p *workers) shrink() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := (len(p.idle) + 1) / 2
	for _, w := range p.idle[:n] {
		close(w.wake)
	}
	left := copy(p.idle, p.idle[n:])
	clear(p.idle[left:])
	p.idle = p.idle[:left]
	p.trimming = left > 0
	return p.trimming
}

// run serves the request. Its pairs are borrowed from w: nothing of the
// application reaches them when host.Serve has returned.
func (x *exchange) run(w *worker) {
	defer x.finish() // also when the handler ends its goroutine
	readMessage(&x.msg, &x.r.msg, &w.pairs)
	host.Serve(x)
	if cap(w.pairs) > keepPairs {
		w.pairs = nil
	}
	clear(w.pairs)
}
