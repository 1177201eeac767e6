// An Exchange in memory, for one blocking call and for tests.

package host

import (
	"context"
	"io"
	"os"
	"sync"
	"time"
)

// Memory is an Exchange whose request and response are held in memory. Fill
// Request, call Serve, read the rest. A Memory serves one request, and another after
// Reset.
type Memory struct {
	// Request is the request. BodyReader, if it is not nil, has the body that
	// follows Request.Body; set Request.More with it. A read deadline reaches
	// it if it has SetReadDeadline, as net.Conn and os.File do.
	Request    Message
	BodyReader io.Reader

	// BodyTrailers are the trailers that follow the request body.
	BodyTrailers []Pair

	// OnPart, if it is not nil, is called with each part before it is added to
	// what follows. The part is borrowed. An error is what Send returns, as if
	// the client had left.
	OnPart func(*Part) error

	// Status is the status of the final head, 0 if there was none.
	Status int
	// Headers is that head's, in sending order.
	Headers []Pair
	// Info holds the informational heads.
	Info []Info
	// Hijacked says that the application has taken the connection over, which
	// it can if Request.Hijack is set. BodyReader is then what the client sends
	// and Body what was sent to it.
	Hijacked bool
	// Body is the response's body, as far as it was sent.
	Body []byte
	// Trailers is in sending order.
	Trailers []Pair
	// Flushes counts the parts that asked to be sent at once.
	Flushes int
	// End says how the response ended.
	End End

	mu                          sync.Mutex
	cancel                      func(cause error)
	cause                       error
	readDeadline, writeDeadline time.Time
}

// Reset makes a Memory whose request has been served fit for another, with the
// room that Headers and Body have.
func (m *Memory) Reset() {
	*m = Memory{Headers: m.Headers[:0], Body: m.Body[:0]}
}

// Info is an informational (1xx) response head.
type Info struct {
	Status  int
	Headers []Pair
}

// Message implements Exchange.
func (m *Memory) Message() *Message { return &m.Request }

// Read implements Exchange.
func (m *Memory) Read(p []byte) (int, error) {
	if m.BodyReader == nil {
		return 0, io.EOF
	}
	for {
		m.mu.Lock()
		late, cause := expired(m.readDeadline), m.cause
		m.mu.Unlock()
		switch {
		case late:
			return 0, os.ErrDeadlineExceeded
		case cause != nil:
			return 0, cause
		}
		if n, err := m.BodyReader.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
}

// RequestTrailers implements Exchange.
func (m *Memory) RequestTrailers() []Pair { return m.BodyTrailers }

// Hijack implements Exchange.
func (m *Memory) Hijack() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cause != nil {
		return m.cause
	}
	m.Hijacked = true
	return nil
}

// Send implements Exchange.
func (m *Memory) Send(p *Part) error {
	if m.OnPart != nil {
		if err := m.OnPart(p); err != nil {
			return err
		}
	}
	m.mu.Lock()
	late, cause := expired(m.writeDeadline), m.cause
	m.mu.Unlock()
	if p.End == Open {
		switch {
		case late:
			return os.ErrDeadlineExceeded
		case cause != nil:
			return cause
		}
	}
	switch {
	case p.Status >= 200:
		m.Status = p.Status
		m.Headers = append(m.Headers, p.Headers...)
	case p.Status > 0:
		m.Info = append(m.Info, Info{p.Status, append([]Pair(nil), p.Headers...)})
	}
	m.Body = append(m.Body, p.Body...)
	p.Sent = int64(len(p.Body))
	if p.File != nil {
		if err := m.sendFile(p); err != nil {
			return err
		}
	}
	if p.Flush {
		m.Flushes++
	}
	m.Trailers = append(m.Trailers, p.Trailers...)
	m.End = p.End
	return nil
}

func (m *Memory) sendFile(p *Part) error {
	at := len(m.Body)
	m.Body = append(m.Body, make([]byte, p.Length)...)
	n, err := p.File.ReadAt(m.Body[at:], p.Offset)
	m.Body = m.Body[:at+n]
	p.Sent += int64(n)
	if int64(n) == p.Length {
		return nil
	}
	m.Cancel(err) // a server that finds the file shorter cuts the connection
	return err
}

// OnCancel implements Exchange.
func (m *Memory) OnCancel(f func(cause error)) {
	m.mu.Lock()
	m.cancel = f
	cause := m.cause
	m.mu.Unlock()
	if cause != nil {
		f(cause)
	}
}

// Cancel cancels the request as if the client had left; nil stands for
// context.Canceled. Reads and sends fail with cause from then on.
func (m *Memory) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	m.mu.Lock()
	if m.cause == nil {
		m.cause = cause
	}
	f := m.cancel
	m.mu.Unlock()
	if f != nil {
		f(cause)
	}
}

// SetReadDeadline implements Exchange. A Read that is blocked in BodyReader
// heeds it only if BodyReader does.
func (m *Memory) SetReadDeadline(t time.Time) error {
	m.mu.Lock()
	m.readDeadline = t
	m.mu.Unlock()
	if d, ok := m.BodyReader.(interface{ SetReadDeadline(time.Time) error }); ok {
		return d.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline implements Exchange.
func (m *Memory) SetWriteDeadline(t time.Time) error {
	m.mu.Lock()
	m.writeDeadline = t
	m.mu.Unlock()
	return nil
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }
