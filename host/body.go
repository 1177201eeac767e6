// The request body.

package host

import (
	"io"
	"net/http"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"
)

// body is a request's Body. mu serialises reads and is held while the Exchange
// reads; closed may be set at any time, and no read of the Exchange begins
// after it.
type body struct {
	s      *serving
	lent   bool // the request has it; set before the handler runs
	closed atomic.Bool

	mu     sync.Mutex
	first  []byte // what is left of Message.Body
	more   bool   // the Exchange has more after it
	remain int64  // bytes left of the declared length, -1 without one
	end    error  // what every further read gets
}

// Read implements io.Reader as net/http's request bodies do: no more bytes than
// Content-Length, io.ErrUnexpectedEOF if there are fewer, and
// http.ErrBodyReadAfterClose after Close or after the handler has returned.
func (b *body) Read(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.end != nil {
		return 0, b.end
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.remain >= 0 && int64(len(p)) > b.remain {
		p = p[:b.remain]
	}
	switch {
	case len(b.first) > 0:
		n = copy(p, b.first)
		b.first = b.first[n:]
	case b.more:
		n, err = b.s.x.Read(p)
		if err == io.EOF && b.remain < 0 {
			b.fillTrailers()
		}
	default:
		err = io.EOF
	}
	if b.remain >= 0 {
		b.remain -= int64(n)
	}
	switch {
	case b.remain == 0:
		err = io.EOF
	case err == io.EOF && b.remain > 0:
		err = io.ErrUnexpectedEOF
		b.end = err
	case err == nil && len(b.first) == 0 && !b.more && b.remain < 0:
		err = io.EOF
	}
	if err == io.EOF {
		b.end = err
	}
	if err != nil && err != io.EOF && b.closed.Load() {
		err = http.ErrBodyReadAfterClose // the read was broken off
	}
	return n, err
}

// fillTrailers gives the request the trailers that came after the body: to
// HTTP/1 all of them, to later versions those it had announced, as net/http
// does.
func (b *body) fillTrailers() {
	for _, p := range b.s.x.RequestTrailers() {
		name, ok := fieldName(p.Name)
		value := textproto.TrimString(p.Value)
		if !ok || !validValue(value) {
			continue
		}
		r := &b.s.request
		if r.ProtoMajor >= 2 {
			if _, announced := r.Trailer[name]; !announced {
				continue
			}
		}
		if r.Trailer == nil {
			r.Trailer = make(http.Header)
		}
		r.Trailer[name] = append(r.Trailer[name], value)
	}
}

// Close ends reading. It never fails and does not wait for a read that is
// under way.
func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}

// shut is Close, if there is anybody to read.
func (b *body) shut() {
	if b.lent {
		b.closed.Store(true)
	}
}

// release returns when no read of the Exchange is under way and none can
// begin, with what had come and was not read.
func (b *body) release() []byte {
	if !b.lent {
		return nil
	}
	b.closed.Store(true)
	if !b.mu.TryLock() {
		b.s.x.SetReadDeadline(time.Unix(1, 0))
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	first := b.first
	b.first = nil
	return first
}
