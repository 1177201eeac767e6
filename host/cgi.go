// CGI from the perspective of the child process: one request, whose variables
// are the environment.

package host

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// errBroken is what a CGI program ends with whose response was cut.
var errBroken = errors.New("host: the response was broken off")

func isCGI() bool {
	return os.Getenv("GATEWAY_INTERFACE") != "" && os.Getenv("REQUEST_METHOD") != ""
}

// serveCGI serves the one request. The protocol has no way to tell that a
// response was cut after its head: servers take what there is for whole, unless
// there is a Content-Length.
func serveCGI(ctx context.Context, environ []string, in io.Reader, out io.Writer) error {
	process.Multithread, process.RunOnce = false, true
	m, err := newMounts("")
	if err != nil {
		return err
	}
	if err := Start(Settings{}); err != nil {
		return err
	}
	s := &cgiProcess{in: in, out: out}
	vars := make([]Pair, 0, len(environ)+1)
	for _, line := range environ {
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			continue
		}
		vars = append(vars, Pair{name, value})
		if length, declared := parseLength(value); name == "CONTENT_LENGTH" && declared {
			s.in = io.LimitReader(in, length) // a server may leave the input open
		}
	}
	x := newCGIExchange(s, vars, m.chosen)
	defer context.AfterFunc(ctx, x.leave)() // the server sends SIGTERM when the client has left
	done := make(chan struct{})
	go func() { // runtime.Goexit ends this goroutine only
		defer close(done)
		serveWith(x, m)
	}()
	<-done
	if x.msg.More {
		io.Copy(io.Discard, s.in) // mod_cgid loses the answer of a program that leaves some
	}
	return errors.Join(s.err, Stop(0, stopTime))
}

// cgiProcess is the cgiStream of this process.
type cgiProcess struct {
	in  io.Reader
	out io.Writer
	err error
}

// Read implements cgiStream.
func (s *cgiProcess) Read(p []byte) (int, error) { return s.in.Read(p) }

// Write implements cgiStream.
func (s *cgiProcess) Write(p []byte) (int, error) { return s.out.Write(p) }

// End implements cgiStream.
func (s *cgiProcess) End(whole bool) error {
	if !whole {
		s.err = errBroken
	}
	return nil
}

// SetReadDeadline implements cgiStream; a process's standard input has none.
func (s *cgiProcess) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline implements cgiStream; so here.
func (s *cgiProcess) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
