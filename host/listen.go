// Sockets of FastCGI and SCGI: listening, and connections until the stop.

package host

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// listenAt listens at host:port, or at a path, which may begin with "unix:". A
// socket that nobody listens at any more is replaced. Whoever reaches it is
// believed everything, so a port alone is the loopback's.
func listenAt(addr string) (net.Listener, error) {
	path, unix := strings.CutPrefix(addr, "unix:")
	if !unix && !strings.HasPrefix(addr, "/") {
		if strings.HasPrefix(addr, ":") {
			addr = "127.0.0.1" + addr
		}
		return net.Listen("tcp", addr)
	}
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if info, statErr := os.Lstat(path); statErr != nil || info.Mode()&os.ModeSocket == 0 {
		return nil, err
	}
	c, dialErr := net.Dial("unix", path)
	if dialErr == nil {
		c.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) || os.Remove(path) != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// inheritedSocket is the listening socket that a FastCGI server has given the
// process as descriptor 0, nil if there is none.
func inheritedSocket() net.Listener {
	if listening, err := syscall.GetsockoptInt(0, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || listening == 0 {
		return nil
	}
	l, err := net.FileListener(os.Stdin)
	if err != nil {
		return nil
	}
	return l
}

// gatewayConn is a connection from a server.
type gatewayConn interface {
	// Serve serves it to its end and returns what the server did wrong.
	Serve() error
	// Shutdown ends it after the request it carries.
	Shutdown()
	// Close breaks it off.
	Close()
}

// gatewayConns are the open ones.
type gatewayConns struct {
	mu       sync.Mutex
	open     map[gatewayConn]bool
	stopping bool
	running  sync.WaitGroup
}

// serveConns accepts connections until ctx ends and lets their requests finish.
func serveConns(ctx context.Context, l net.Listener, accept func(net.Conn) gatewayConn) error {
	all := &gatewayConns{open: map[gatewayConn]bool{}}
	failed := make(chan error, 1)
	go func() { failed <- all.accept(l, accept) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		l.Close()
		<-failed
	}
	all.mu.Lock()
	all.stopping = true
	for c := range all.open {
		c.Shutdown()
	}
	all.mu.Unlock()
	ended := make(chan struct{})
	go func() { all.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return err
	case <-time.After(stopTime):
	}
	logLine(slog.LevelError, []byte("PILLION-1303: requests of a server still running at the end of the drain"))
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.open {
		c.Close()
	}
	return err
}

// accept accepts until the listener is closed.
func (all *gatewayConns) accept(l net.Listener, accept func(net.Conn) gatewayConn) error {
	const longest = time.Second
	pause := time.Duration(0)
	for {
		c, err := l.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
			pause = min(max(2*pause, 5*time.Millisecond), longest)
			logLine(slog.LevelError, []byte("PILLION-1304: a connection cannot be accepted: "+err.Error()))
			time.Sleep(pause)
			continue
		}
		if err != nil {
			return err
		}
		pause = 0
		all.serve(accept(c))
	}
}

func (all *gatewayConns) serve(c gatewayConn) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.stopping {
		c.Close()
		return
	}
	all.open[c] = true
	all.running.Go(func() {
		defer func() { // also when a handler calls runtime.Goexit
			c.Close()
			all.mu.Lock()
			delete(all.open, c)
			all.mu.Unlock()
		}()
		if err := c.Serve(); err != nil {
			logLine(slog.LevelError, []byte("PILLION-1305: a server's connection is closed: "+err.Error()))
		}
	})
}
