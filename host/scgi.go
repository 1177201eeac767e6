// SCGI from the perspective of the application: a connection is a request.

package host

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"pillion/host/internal/scgi"
)

const (
	scgiHeadTime = time.Minute     // for the head of a request
	scgiLinger   = 5 * time.Second // for the server to read the end of the response
)

// serveSCGI serves SCGI requests until ctx ends.
func serveSCGI(ctx context.Context, l net.Listener, m *mounts) error {
	return serveConns(ctx, l, func(c net.Conn) gatewayConn {
		return &scgiConn{c: c, r: bufio.NewReaderSize(c, 8<<10), m: m}
	})
}

// scgiConn is a connection, and the cgiStream of its request.
type scgiConn struct {
	c net.Conn
	r *bufio.Reader
	m *mounts
	x *cgiExchange

	mu       sync.Mutex
	remain   int64         // bytes of the body that have not been read
	watching chan struct{} // closed when nobody watches the connection any more
	begun    bool
	over     bool
}

// Serve implements gatewayConn.
func (s *scgiConn) Serve() error {
	s.c.SetReadDeadline(time.Now().Add(scgiHeadTime))
	vars, err := scgi.Pairs(s.r)
	if err == io.EOF { // a connection for nothing: a server's health check
		return nil
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.begun = true
	s.c.SetReadDeadline(time.Time{})
	s.mu.Unlock()
	s.remain, _ = parseLength(vars[0][1])
	s.x = newCGIExchange(s, cgiVars(vars), s.m.chosen)
	defer s.End(false) // if the response has not been ended
	s.watch()
	serveWith(s.x, s.m)
	return nil
}

// Shutdown implements gatewayConn.
func (s *scgiConn) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		s.c.Close()
	}
}

// Close implements gatewayConn.
func (s *scgiConn) Close() { s.c.Close() }

// Read implements cgiStream.
func (s *scgiConn) Read(p []byte) (int, error) {
	s.mu.Lock()
	remain := s.remain
	s.mu.Unlock()
	if remain == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), remain)])
	s.mu.Lock()
	s.remain -= int64(n)
	s.mu.Unlock()
	if err == io.EOF {
		s.x.leave()
		return n, errGone
	}
	s.watch()
	return n, err
}

// watch looks out for the end of the connection when the body has been read.
func (s *scgiConn) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remain > 0 || s.watching != nil || s.over {
		return
	}
	s.c.SetReadDeadline(time.Time{})
	watching := make(chan struct{})
	s.watching = watching
	go func() {
		defer close(watching)
		if _, err := s.r.ReadByte(); err != nil {
			s.mu.Lock()
			over := s.over
			s.mu.Unlock()
			if !over {
				s.x.leave()
			}
		}
	}()
}

// Write implements cgiStream.
func (s *scgiConn) Write(p []byte) (int, error) { return s.c.Write(p) }

// End implements cgiStream. The protocol has no mark for the end of a response:
// one that is cut ends in a reset, which a TCP socket can do.
func (s *scgiConn) End(whole bool) error {
	s.mu.Lock()
	again := s.over
	s.over = true
	watching, unread := s.watching, s.remain > 0
	s.mu.Unlock()
	if again {
		return nil
	}
	if watching != nil {
		s.c.SetReadDeadline(time.Unix(1, 0))
		<-watching
	}
	if tcp, ok := s.c.(*net.TCPConn); ok && !whole {
		tcp.SetLinger(0)
	}
	half, ok := s.c.(interface{ CloseWrite() error })
	if !whole || !unread || !ok || half.CloseWrite() != nil {
		return s.c.Close()
	}
	// A close with bytes unread would take away what the server has not read.
	s.c.SetReadDeadline(time.Now().Add(scgiLinger))
	io.Copy(io.Discard, s.c)
	return s.c.Close()
}

// SetReadDeadline implements cgiStream.
func (s *scgiConn) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watching != nil || s.over {
		return nil // the deadline is the watch's
	}
	return s.c.SetReadDeadline(t)
}

// SetWriteDeadline implements cgiStream.
func (s *scgiConn) SetWriteDeadline(t time.Time) error { return s.c.SetWriteDeadline(t) }
