package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wired is a strict Memory whose client is at the other end of a connection
// that the handler can take over.
type wired struct {
	strict
	conn *net.TCPConn
	sent sync.Mutex
}

// wire makes one, and the client's end.
func wire(t *testing.T, h http.HandlerFunc, head string, first string) (*wired, *net.TCPConn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	server, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	client.SetDeadline(time.Now().Add(patience))

	x := &wired{conn: server.(*net.TCPConn)}
	lines := strings.Split(strings.TrimSuffix(head, "\r\n"), "\r\n")
	method, rest, _ := strings.Cut(lines[0], " ")
	target, proto, _ := strings.Cut(rest, " ")
	x.Request = request(app(h), method, target)
	x.Request.Environ[2].Value = proto
	x.Request.Environ[3].Value, x.Request.Environ[4].Value, _ = net.SplitHostPort(client.LocalAddr().String())
	x.Request.Environ[5].Value, x.Request.Environ[6].Value, _ = net.SplitHostPort(server.LocalAddr().String())
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		x.Request.Headers = append(x.Request.Headers, Pair{name, strings.TrimSpace(value)})
	}
	x.Request.Hijack = true
	x.Request.Body, x.Request.More = []byte(first), first != ""
	x.BodyReader = x.conn
	return x, client.(*net.TCPConn)
}

func (x *wired) SetWriteDeadline(t time.Time) error {
	x.strict.SetWriteDeadline(t)
	return x.conn.SetWriteDeadline(t)
}

func (x *wired) Send(p *Part) error {
	body := p.Body
	if err := x.strict.Send(p); err != nil {
		return err
	}
	if x.Hijacked && len(body) > 0 {
		n, err := x.conn.Write(body)
		p.Sent = int64(n)
		return err
	}
	if p.End != Open {
		x.conn.CloseWrite()
	}
	return nil
}

// run serves x until the test ends, and returns a channel that is closed when
// it has been served.
func (x *wired) run() <-chan struct{} {
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer x.over.Store(true)
		Serve(x)
	}()
	return served
}

func (x *wired) check(t *testing.T) {
	t.Helper()
	assert.Equal(t, 1, x.ends, "parts with an End")
	assert.Empty(t, x.faults)
}

var date = regexp.MustCompile(`Date: [^\r]*\r\n`)

// drain is all the client gets until the end.
func drain(t *testing.T, c net.Conn) string {
	b, err := io.ReadAll(c)
	assert.NoError(t, err)
	return date.ReplaceAllString(string(b), "Date: now\r\n")
}

const getHead = "GET /x HTTP/1.1\r\n"

func TestHijack_AsNetHTTP(t *testing.T) {
	captureLog(t)
	type conversation struct {
		head, body string // the request's
		handler    func(w http.ResponseWriter, r *http.Request, saw func(...any))
		client     func(c *net.TCPConn)
	}
	hijack := func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		return c, rw
	}
	ask := func(c *net.TCPConn) { io.WriteString(c, "ask"); c.CloseWrite() }
	idle := func(c *net.TCPConn) {}
	// What is sent before "go" may be in the buffered reader.
	askLater := func(c *net.TCPConn) { io.ReadFull(c, make([]byte, 2)); ask(c) }

	for name, c := range map[string]conversation{
		"echo": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, rw := hijack(w)
			defer c.Close()
			b, err := io.ReadAll(rw)
			saw(string(b), err)
			n, err := c.Write(append([]byte("you said "), b...))
			saw(n, err)
		}, ask},
		"type assertion": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _, err := w.(http.Hijacker).Hijack()
			saw(err)
			c.Close()
		}, idle},
		"buffered reader and writer": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, rw := hijack(w)
			defer c.Close()
			saw(rw.Reader.Size(), rw.Writer.Size(), rw.Writer.Buffered())
			rw.WriteString("not yet")
			saw(rw.Writer.Buffered())
			saw(rw.Flush())
		}, idle},
		"addresses": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _ := hijack(w)
			defer c.Close()
			remote, ok := c.RemoteAddr().(*net.TCPAddr)
			saw(ok, c.RemoteAddr().String() == r.RemoteAddr, remote.IP.String(), c.LocalAddr().Network())
			saw(c.LocalAddr().String() == r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
		}, idle},
		"use after it": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _ := hijack(w)
			defer c.Close()
			w.Header().Set("X-Lost", "1")
			w.WriteHeader(204)
			saw(w.Write([]byte("x")))
			saw(w.Write(nil))
			saw(io.WriteString(w, "x"))
			_, _, err := http.NewResponseController(w).Hijack()
			saw(err)
			saw(http.NewResponseController(w).SetReadDeadline(time.Time{}))
		}, idle},
		"101 first": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			w.Header().Set("Upgrade", "raw")
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Content-Length", "3")
			w.Header()["X-A"] = []string{"2", "1"}
			w.WriteHeader(101)
			w.Header().Set("X-Late", "1")
			saw(w.Write([]byte("x")))
			c, rw := hijack(w)
			defer c.Close()
			b, err := io.ReadAll(rw)
			saw(string(b), err)
			rw.WriteString("raw")
			saw(rw.Flush())
		}, ask},
		"200 first": {"CONNECT /x HTTP/1.1\r\n", "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			w.WriteHeader(200)
			c, _ := hijack(w)
			defer c.Close()
			io.WriteString(c, "raw")
		}, idle},
		"a write first": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			w.Header().Set("Content-Type", "a/b")
			saw(io.WriteString(w, "lost"))
			c, _ := hijack(w)
			defer c.Close()
			io.WriteString(c, "raw")
		}, idle},
		"a length first": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			w.Header().Set("Content-Length", "3")
			w.WriteHeader(200)
			c, _ := hijack(w)
			defer c.Close()
			io.WriteString(c, "raw")
		}, idle},
		"304 first": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			w.Header().Set("Content-Length", "3")
			w.Header().Set("Etag", `"x"`)
			w.Header().Set("Content-Type", "a/b")
			w.WriteHeader(304)
			c, _ := hijack(w)
			c.Close()
		}, idle},
		"own status": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			w.WriteHeader(799)
			c, _ := hijack(w)
			c.Close()
		}, idle},
		"an unread body": {"POST /x HTTP/1.1\r\nContent-Length: 6\r\n", "abc", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, rw := hijack(w)
			defer c.Close()
			b, err := io.ReadAll(rw)
			saw(string(b), err)
		}, ask},
		"a body half read": {"POST /x HTTP/1.1\r\nContent-Length: 6\r\n", "abc", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			r.Body.Read(make([]byte, 2))
			c, rw := hijack(w)
			defer c.Close()
			b, err := io.ReadAll(rw)
			saw(string(b), err)
		}, ask},
		"deadlines": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
			c, _ := hijack(w)
			defer c.Close()
			io.WriteString(c, "go")
			b := make([]byte, 10)
			fails := func(n int, err error) {
				var ne net.Error
				var op *net.OpError
				saw(n, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout(), errors.As(err, &op))
			}
			n, err := c.Read(b) // the deadline from before is gone
			saw(n, err)
			c.SetDeadline(time.Unix(1, 0))
			fails(c.Read(b))
			fails(c.Write(b))
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			fails(c.Read(b))
			c.SetReadDeadline(time.Time{})
			time.AfterFunc(time.Millisecond, func() { c.SetReadDeadline(time.Unix(1, 0)) })
			fails(c.Read(b))
			c.SetDeadline(time.Time{})
			saw(c.Write([]byte("on")))
		}, func(c *net.TCPConn) { io.ReadFull(c, make([]byte, 2)); io.WriteString(c, "ask") }},
		"use after close": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _ := hijack(w)
			saw(c.Close())
			closed := func(err error) { saw(errors.Is(err, net.ErrClosed)) }
			closed(c.Close())
			closed(c.SetDeadline(time.Time{}))
			_, err := c.Read(make([]byte, 1))
			closed(err)
			_, err = c.Write(make([]byte, 1))
			closed(err)
		}, idle},
		"close while it reads": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _ := hijack(w)
			time.AfterFunc(5*time.Millisecond, func() { c.Close() })
			n, err := c.Read(make([]byte, 1))
			saw(n, errors.Is(err, net.ErrClosed))
		}, idle},
		"context": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _ := hijack(w)
			defer c.Close()
			io.WriteString(c, "go")
			b, err := io.ReadAll(c)
			saw(string(b), err, r.Context().Err())
		}, askLater},
		"read at once as it comes": {getHead, "", func(w http.ResponseWriter, r *http.Request, saw func(...any)) {
			c, _ := hijack(w)
			defer c.Close()
			io.WriteString(c, "go")
			saw(c.Read(nil))
			b := make([]byte, 100)
			n, err := c.Read(b)
			saw(string(b[:n]), err)
			io.WriteString(c, "answer")
			n, err = c.Read(b)
			saw(string(b[:n]), err)
		}, func(c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 2))
			io.WriteString(c, "ask")
			io.ReadFull(c, make([]byte, 6))
			io.WriteString(c, "more")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			over := make(chan struct{})
			handler := func(w http.ResponseWriter, r *http.Request) {
				defer close(over)
				c.handler(w, r, func(values ...any) { seen = append(seen, fmt.Sprint(values...)) })
			}
			srv := httptest.NewUnstartedServer(http.HandlerFunc(handler))
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.Start()
			defer srv.Close()
			dialled, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			defer dialled.Close()
			dialled.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(dialled, "%sHost: example.org\r\n\r\n%s", c.head, c.body)
			c.client(dialled.(*net.TCPConn))
			want := drain(t, dialled)
			wait(t, over, "net/http")
			wantSeen := seen

			seen, over = nil, make(chan struct{})
			x, client := wire(t, handler, c.head, c.body)
			served := x.run()
			c.client(client)
			got := drain(t, client)
			wait(t, served, "Serve")
			assert.Equal(t, want, got)
			assert.Equal(t, wantSeen, seen)
			assert.True(t, x.Hijacked)
			assert.Equal(t, Complete, x.End)
			x.check(t)
		})
	}
}

func TestHijack_OnlyWhereTheServerCanAndHTTP1(t *testing.T) {
	for _, c := range []struct {
		proto string
		can   bool
		want  bool
	}{
		{"HTTP/1.1", true, true}, {"HTTP/1.0", true, true}, {"HTTP/1.1", false, false},
		{"HTTP/2.0", true, false}, {"HTTP/3", true, false},
	} {
		m := request("", "GET", "/")
		m.Environ[2].Value, m.Hijack = c.proto, c.can
		serve(t, m, func(w http.ResponseWriter, r *http.Request) {
			_, ok := w.(http.Hijacker)
			assert.Equal(t, c.want, ok, "%+v", c)
			taken, _, err := http.NewResponseController(w).Hijack()
			if ok {
				require.NoError(t, err)
				taken.Close()
			} else {
				assert.ErrorIs(t, err, http.ErrNotSupported)
				assert.ErrorIs(t, err, errors.ErrUnsupported)
			}
			for name, ok := range map[string]bool{
				"Flusher":       is[http.Flusher](w),
				"CloseNotifier": is[http.CloseNotifier](w),
				"ReaderFrom":    is[io.ReaderFrom](w),
				"StringWriter":  is[io.StringWriter](w),
			} {
				assert.True(t, ok, name)
			}
		})
	}
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

func TestHijack_AfterTheHeadHasGoneFails(t *testing.T) {
	m := request("", "GET", "/")
	m.Hijack = true
	x := serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a response")
		w.(http.Flusher).Flush()
		_, _, err := http.NewResponseController(w).Hijack()
		assert.Equal(t, errHeadSent, err)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		io.WriteString(w, " goes on")
	})
	assert.Equal(t, "a response goes on", string(x.Body))
	assert.Equal(t, Complete, x.End)
}

func TestHijack_RefusedByTheServerIsAnError(t *testing.T) {
	m := request("", "GET", "/")
	m.Hijack = true
	left := errors.New("left")
	x := &strict{Memory: Memory{Request: m}}
	x.Request.App = app(func(w http.ResponseWriter, r *http.Request) {
		x.Cancel(left)
		_, _, err := http.NewResponseController(w).Hijack()
		assert.Equal(t, left, err)
		_, err = w.Write(make([]byte, 10000))
		assert.Equal(t, left, err)
	})
	x.serve(t)
	assert.Equal(t, Aborted, x.End)
}

func TestHijack_101WithoutItIsAnAbort(t *testing.T) {
	log := captureLog(t)
	m := request("", "GET", "/")
	m.Hijack = true
	x := serve(t, m, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) })
	assert.Equal(t, Aborted, x.End)
	assert.Zero(t, x.Status)
	assert.Contains(t, log.String(), "cannot switch protocols without http.Hijacker")
}

func TestHijack_ConnectionOutlivesItsHandler(t *testing.T) {
	for name, end := range map[string]func(){
		"return": func() {},
		"panic":  func() { panic("after it") },
		"abort":  func() { panic(http.ErrAbortHandler) },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			log := captureLog(t)
			var ctx context.Context
			x, client := wire(t, func(w http.ResponseWriter, r *http.Request) {
				ctx = r.Context()
				c, rw, err := http.NewResponseController(w).Hijack()
				assert.NoError(t, err)
				go func() {
					defer c.Close()
					<-ctx.Done()
					io.Copy(c, rw)
				}()
				end()
			}, getHead, "")
			before := Running()
			served := x.run()
			io.WriteString(client, "hello")
			b := make([]byte, 5)
			_, err := io.ReadFull(client, b)
			assert.NoError(t, err)
			assert.Equal(t, context.Canceled, ctx.Err(), "as net/http cancels it")
			assert.Equal(t, before+1, Running())
			client.CloseWrite()
			assert.Equal(t, "", drain(t, client))
			wait(t, served, "Serve")
			x.check(t)
			assert.Equal(t, before, Running())
			assert.Equal(t, name == "panic" || name == "Goexit", strings.Contains(log.String(), "serving /x"))
		})
	}
}

func TestHijack_ClientLeavingDoesNotCancelTheContext(t *testing.T) {
	in := make(chan struct{})
	x, _ := wire(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		defer c.Close()
		close(in)
		b := make([]byte, 1)
		for err == nil {
			_, err = c.Read(b)
		}
		assert.NoError(t, r.Context().Err())
		_, err = c.Write(b)
		assert.ErrorIs(t, err, context.Canceled)
	}, getHead, "")
	served := x.run()
	wait(t, in, "the handler")
	x.Cancel(nil)
	x.conn.SetReadDeadline(time.Unix(1, 0)) // a Memory's reads do not end by themselves
	wait(t, served, "Serve")
	x.check(t)
}

func TestHijack_ConnectionLeftBehindEndsWithItsClient(t *testing.T) {
	var kept net.Conn
	done := make(chan struct{})
	x, _ := wire(t, func(w http.ResponseWriter, r *http.Request) {
		kept, _, _ = http.NewResponseController(w).Hijack()
		close(done)
	}, getHead, "")
	served := x.run()
	wait(t, done, "the handler")
	select {
	case <-served:
		assert.Fail(t, "Serve has returned, the connection is open")
	case <-time.After(10 * time.Millisecond):
	}
	x.Cancel(nil)
	wait(t, served, "Serve")
	x.check(t)
	_, err := kept.Write([]byte("x"))
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestHijack_LostConnectionIsClosed(t *testing.T) {
	x, client := wire(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Hijack()
	}, getHead, "")
	awaitLoss(t, x.run())
	assert.Empty(t, drain(t, client))
	x.check(t)
}

// collect returns when the collector has found what was lost, and has run
// cleanups.
func collect(t *testing.T) {
	cleaned := make(chan struct{})
	runtime.AddCleanup(new([64]*int), func(c chan struct{}) { close(c) }, cleaned)
	for end := time.Now().Add(patience); ; {
		runtime.GC()
		select {
		case <-cleaned:
			return
		case <-time.After(time.Millisecond):
			require.True(t, time.Now().Before(end), "no cleanup has run")
		}
	}
}

// awaitLoss collects until a connection that was lost has been served.
func awaitLoss(t *testing.T, served <-chan struct{}) {
	for end := time.Now().Add(patience); ; {
		collect(t)
		select {
		case <-served:
			return
		default:
			require.True(t, time.Now().Before(end), "it is still open")
		}
	}
}

func TestHijack_ConnectionThatIsReadIsNotLost(t *testing.T) {
	reading := make(chan struct{})
	x, client := wire(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		close(reading)
		n, err := c.Read(make([]byte, 5))
		assert.Equal(t, 5, n)
		assert.NoError(t, err)
	}, getHead, "")
	served := x.run()
	wait(t, reading, "the handler")
	for range 3 {
		collect(t)
	}
	io.WriteString(client, "hello")
	awaitLoss(t, served)
	x.check(t)
}

func TestHijack_ReadOfTheBodyThatIsUnderWayIsBrokenOff(t *testing.T) {
	reading := make(chan struct{})
	result := make(chan error, 1)
	x, client := wire(t, func(w http.ResponseWriter, r *http.Request) {
		go func() {
			_, err := r.Body.Read(make([]byte, 1))
			result <- err
		}()
		<-reading
		c, rw, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		defer c.Close()
		assert.Equal(t, http.ErrBodyReadAfterClose, <-result)
		line, err := rw.ReadString('\n')
		assert.NoError(t, err)
		io.WriteString(c, line)
	}, "POST /x HTTP/1.1\r\nContent-Length: 6\r\n", "")
	x.Request.More = true
	x.BodyReader = &signalOnce{x.conn, reading, sync.Once{}}
	served := x.run()
	io.WriteString(client, "hello\n")
	assert.Equal(t, "hello\n", drain(t, client))
	wait(t, served, "Serve")
	x.check(t)
}

type signalOnce struct {
	net.Conn
	reading chan struct{}
	once    sync.Once
}

func (s *signalOnce) Read(p []byte) (int, error) {
	first := false
	s.once.Do(func() { first = true; close(s.reading) })
	if first { // until it is broken off
		<-deadlinePassed(s.Conn)
		return 0, os.ErrDeadlineExceeded
	}
	return s.Conn.Read(p)
}

// deadlinePassed is closed when a read of nothing finds that the deadline has
// passed.
func deadlinePassed(c net.Conn) <-chan struct{} {
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err == nil {
			raw.Read(func(uintptr) bool { return false })
		}
	}()
	return passed
}

func TestHijack_ManyGoroutinesAtOnce(t *testing.T) {
	x, client := wire(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					if _, err := c.Write([]byte("abcd")); err != nil {
						return
					}
				}
			})
			all.Go(func() {
				b := make([]byte, 10)
				for {
					if _, err := c.Read(b); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
						return
					}
				}
			})
			all.Go(func() {
				for c.SetReadDeadline(time.Now().Add(time.Millisecond)) == nil {
					c.SetWriteDeadline(time.Now().Add(time.Minute))
					runtime.Gosched()
				}
			})
		}
		io.Copy(io.Discard, io.LimitReader(c, 1))
		time.AfterFunc(20*time.Millisecond, func() { c.Close() })
		all.Wait()
	}, getHead, "")
	served := x.run()
	go io.Copy(io.Discard, client)
	for range 100 {
		if _, err := io.WriteString(client, "some bytes"); err != nil {
			break
		}
	}
	wait(t, served, "Serve")
	x.check(t)
}

func TestLife_StopClosesConnectionsAfterTheDrain(t *testing.T) {
	l := anew(t)
	require.NoError(t, Start(l.settings()))
	var failed error
	in := make(chan struct{}, 2)
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		in <- struct{}{}
		if r.Method == "PUT" {
			return // and leaves it behind
		}
		_, failed = c.Read(make([]byte, 1))
		assert.Equal(t, errStopping, context.Cause(r.Context()))
	}
	x, client := wire(t, handler, getHead, "")
	left, leftClient := wire(t, handler, "PUT /x HTTP/1.1\r\n", "")
	served, leftServed := x.run(), left.run()
	<-in
	<-in
	assert.Equal(t, 2, Running())
	start := time.Now()
	assert.NoError(t, Stop(30*time.Millisecond, time.Minute))
	assert.Greater(t, time.Since(start), 30*time.Millisecond, "the drain is theirs")
	assert.Less(t, time.Since(start), patience, "and no more")
	wait(t, served, "Serve")
	wait(t, leftServed, "Serve")
	assert.ErrorIs(t, failed, net.ErrClosed)
	assert.Empty(t, drain(t, client))
	assert.Empty(t, drain(t, leftClient))
	assert.Zero(t, Running())
	x.check(t)
	left.check(t)
}
