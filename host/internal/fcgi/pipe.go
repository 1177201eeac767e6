// The request body between the connection's goroutine and the request's.

package fcgi

import (
	"io"
	"os"
	"sync"
	"time"
)

// A pipe holds at most window bytes. One goroutine fills it, another reads.
type pipe struct {
	mu      sync.Mutex
	change  *sync.Cond
	buf     []byte // bytes from at on are unread
	at      int
	err     error // after the bytes
	dropped bool  // nobody will read
	expired bool
	timer   *time.Timer
	series  int // tells a timer that it has been replaced
}

func newPipe() *pipe {
	p := new(pipe)
	p.change = sync.NewCond(&p.mu)
	return p
}

// fill takes all of r, waiting for room.
func (p *pipe) fill(r io.Reader) error {
	for {
		p.mu.Lock()
		for len(p.buf)-p.at >= window && !p.dropped {
			p.change.Wait()
		}
		if p.dropped || p.err != nil {
			p.mu.Unlock()
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if p.at > 0 {
			p.buf = p.buf[:copy(p.buf, p.buf[p.at:])]
			p.at = 0
		}
		if p.buf == nil {
			p.buf = make([]byte, 0, window)
		}
		room := p.buf[len(p.buf):cap(p.buf)]
		p.mu.Unlock()

		// Only this goroutine writes behind len(p.buf), and moves it.
		n, err := r.Read(room)
		p.mu.Lock()
		if p.buf != nil {
			p.buf = p.buf[:len(p.buf)+n]
		}
		p.change.Broadcast()
		p.mu.Unlock()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// end says that the body ends here.
func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = io.EOF
	}
	p.change.Broadcast()
}

// whole reports whether the body has arrived to its end.
func (p *pipe) whole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err == io.EOF
}

// fail drops what is there. A body that has arrived whole keeps its end.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.dropped = true
	p.stopTimer()
	p.change.Broadcast()
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.expired:
			return 0, os.ErrDeadlineExceeded
		case p.at < len(p.buf):
			n := copy(b, p.buf[p.at:])
			p.at += n
			p.change.Broadcast()
			return n, nil
		case p.err != nil:
			return 0, p.err
		}
		p.change.Wait()
	}
}

func (p *pipe) setDeadline(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopTimer()
	p.expired = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		p.expired = true
		p.change.Broadcast()
		return
	}
	series := p.series
	p.timer = time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if series == p.series {
			p.expired = true
			p.change.Broadcast()
		}
	})
}

func (p *pipe) stopTimer() {
	p.series++
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
