// The goroutines that requests of a queue run on.

//go:build cgo

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
	wake chan struct{} // capacity 1: whoever wakes a worker never waits; made by the first wait
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
	first, last *exchange       // that nobody runs yet
	coming      bool            // a worker is on its way
	idle        []chan struct{} // their wakes; the one to use next last: its stack is the most likely to be in the processor's cache
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
	wake, send := p.send()
	p.mu.Unlock()
	if send {
		p.call(wake)
	}
}

// send says whether a worker is to be called, and which, nil for a new one.
func (p *workers) send() (wake chan struct{}, send bool) {
	if p.first == nil || p.coming {
		return nil, false
	}
	p.coming = true
	if last := len(p.idle) - 1; last >= 0 {
		wake = p.idle[last]
		p.idle = p.idle[:last]
	}
	return wake, true
}

func (p *workers) call(wake chan struct{}) {
	if wake != nil {
		wake <- struct{}{}
		return
	}
	go p.work()
}

// work also ends with a handler that ends its goroutine.
func (p *workers) work() {
	var w worker
	for arrived := true; ; {
		x, stay := p.take(&w, arrived)
		arrived = false
		switch {
		case x != nil:
			x.run()
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
	if w.wake == nil {
		w.wake = make(chan struct{}, 1)
	}
	p.idle = append(p.idle, w.wake)
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
	for _, wake := range p.idle[:n] {
		close(wake)
	}
	left := copy(p.idle, p.idle[n:])
	clear(p.idle[left:])
	p.idle = p.idle[:left]
	p.trimming = left > 0
	return p.trimming
}

// A draft is a request on its way from C to its handler. While the handler runs
// it is at another's service.
type draft struct {
	msg   host.Message
	pairs []host.Pair
}

var drafts = sync.Pool{New: func() any { return new(draft) }}

// run serves the request.
func (x *exchange) run() {
	defer x.finish() // also when the handler ends its goroutine
	d := drafts.Get().(*draft)
	x.draft = d
	readMessage(&d.msg, &x.r.msg, &d.pairs)
	host.Serve(x)
}

// TakeBack implements host.LendingExchange.
func (x *exchange) TakeBack() {
	d := x.draft
	x.draft = nil
	if cap(d.pairs) > keepPairs {
		return
	}
	d.msg = host.Message{}
	clear(d.pairs)
	drafts.Put(d)
}

// Environ implements host.LendingExchange.
func (x *exchange) Environ() []host.Pair { return environ(&x.r.msg) }
