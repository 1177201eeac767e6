// http.ResponseController, the interfaces of a ResponseWriter, and contexts.

package conform

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

var controlRows = []Row{
	does("control: what there is", func(w http.ResponseWriter, r *http.Request, run *Run) {
		_, ok := w.(http.Flusher)
		run.Note("Flusher", ok)
		_, ok = w.(interface{ FlushError() error })
		run.Note("FlushError", ok)
		_, ok = w.(io.StringWriter)
		run.Note("StringWriter", ok)
		control := http.NewResponseController(w)
		run.Note("SetReadDeadline", control.SetReadDeadline(time.Time{}))
		run.Note("SetWriteDeadline", control.SetWriteDeadline(time.Time{}))
		run.Note("EnableFullDuplex", control.EnableFullDuplex())
	}),
	one(framing, does("control: what HTTP/1 has besides", func(w http.ResponseWriter, r *http.Request, run *Run) {
		_, ok := w.(io.ReaderFrom)
		run.Note("ReaderFrom", ok)
		_, ok = w.(http.Hijacker)
		run.Note("Hijacker", ok)
		_, ok = w.(http.Pusher)
		run.Note("Pusher", ok)
		_, ok = w.(http.CloseNotifier) // gin does not ask
		run.Note("CloseNotifier", ok)
	})),
	{Name: "control: read deadline passes", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("set", http.NewResponseController(w).SetReadDeadline(time.Now().Add(500*time.Millisecond)))
		b := make([]byte, 20)
		n, err := io.ReadFull(r.Body, b)
		run.Note("read", n, err)
		n, err = r.Body.Read(b)
		run.Note("read again", n, err)
		io.WriteString(w, "late")
	}, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Content-Length: 20") + "hello")
		c.Response("POST")
		c.Leave()
	}},
	{Name: "control: read deadline has passed", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("set", http.NewResponseController(w).SetReadDeadline(time.Now().Add(-time.Hour)))
		_, err := r.Body.Read(make([]byte, 20))
		run.Note("read", err)
		io.WriteString(w, "late")
	}, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Content-Length: 20"))
		c.Response("POST")
		c.Leave()
	}},
	{Name: "control: read deadline is far", Request: ask("POST / HTTP/1.1", "Content-Length: 5") + "hello", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("set", http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour)))
		b, err := io.ReadAll(r.Body)
		run.Note("read", string(b), err)
	}},
	{Name: "control: write deadline passes", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		control := http.NewResponseController(w)
		write(w, 10)
		run.Note("flush", control.Flush())
		run.Note("set", control.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
		var err error
		for err == nil { // nobody reads
			_, err = write(w, 10000)
		}
		run.Note("write", err)
		_, err = write(w, 10000)
		run.Note("write again fails", err != nil)
		run.Tell("failed")
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("failed")
		res := c.Head("GET")
		n, err := io.Copy(io.Discard, res.Body)
		c.Note(fmt.Sprint("more than nothing: ", n > 0, ", cut: ", err != nil))
		c.Leave()
	}},
	{Name: "control: write deadline is far", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("set", http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)))
		write(w, 10000)
		run.Note("flush", flush(w))
	}},
	{Name: "control: full duplex reads after an answer", Request: ask("POST / HTTP/1.1", "Content-Length: 5") + "hello", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("enable", http.NewResponseController(w).EnableFullDuplex())
		io.WriteString(w, "first")
		run.Note("flush", flush(w))
		b, err := io.ReadAll(r.Body)
		run.Note("read", string(b), err)
		w.Write(b)
	}},
	does("control: of a wrapped ResponseWriter", func(w http.ResponseWriter, r *http.Request, run *Run) {
		control := http.NewResponseController(wrapped{w})
		write(w, 3)
		run.Note("flush", control.Flush())
		run.Note("deadline", control.SetWriteDeadline(time.Time{}))
	}),
	does("control: of one that cannot", func(w http.ResponseWriter, r *http.Request, run *Run) {
		control := http.NewResponseController(struct{ http.ResponseWriter }{w})
		run.Note("flush", control.Flush())
		_, _, err := control.Hijack()
		run.Note("hijack", err)
	}),

	hijacks("answers and closes", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		io.WriteString(rw, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own: 1\r\n\r\nhi")
		run.Note("flush", rw.Flush())
		run.Note("close", conn.Close())
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Raw()
	}),
	hijacks("what followed the request is there", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		b := make([]byte, 5)
		n, err := io.ReadFull(rw, b)
		run.Note("read", n, string(b), err)
		n, err = io.ReadFull(rw, b)
		run.Note("read", n, string(b), err)
		conn.Write(b)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1") + "early")
		c.Await("hijacked")
		c.Send("later")
		c.Raw()
	}),
	hijacks("the client ends its side", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		b, err := io.ReadAll(rw)
		run.Note("read", string(b), err)
		n, err := io.WriteString(conn, "bye")
		run.Note("write", n, err)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("hijacked")
		c.Send("hello")
		c.Conn.(*net.TCPConn).CloseWrite()
		c.Raw()
	}),
	hijacks("read deadline", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		run.Note("set", conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := conn.Read(make([]byte, 1))
		run.Note("read", err)
		var timeout net.Error
		run.Note("times out", errors.As(err, &timeout) && timeout.Timeout())
		run.Note("reset", conn.SetReadDeadline(time.Time{}))
		run.Tell("waited")
		b := make([]byte, 5)
		_, err = io.ReadFull(conn, b)
		run.Note("read", string(b), err)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("waited")
		c.Send("hello")
		c.Raw()
	}),
	hijacks("a passed deadline wakes a read", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		time.AfterFunc(10*time.Millisecond, func() { conn.SetDeadline(time.Now()) })
		_, err := conn.Read(make([]byte, 1))
		run.Note("read", err)
		_, err = conn.Write([]byte("x"))
		run.Note("write", err)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Raw()
	}),
	hijacks("write deadline", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		var err error
		for err == nil { // nobody reads
			_, err = write(conn, 10000)
		}
		run.Note("write", err)
		conn.Close()
		run.Tell("closed")
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("closed")
		c.Leave()
	}),
	hijacks("the connection outlives the handler", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		run.Later(func() {
			run.Await("returned")
			n, err := io.WriteString(conn, "still here")
			run.Note("write", n, err)
			run.Note("close", conn.Close())
			_, err = conn.Write([]byte("x"))
			run.Note("write after Close", err)
			_, err = conn.Read(make([]byte, 1))
			run.Note("read after Close", err)
		})
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("hijacked")
		c.Tell("returned")
		c.Raw()
	}),
	hijacks("the client leaves", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		_, err := conn.Read(make([]byte, 1))
		run.Note("read", err)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("hijacked")
		c.Leave()
	}),
	hijacks("addresses", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		run.Note("remote", conn.RemoteAddr().Network(), host, err)
		host, _, err = net.SplitHostPort(conn.LocalAddr().String())
		run.Note("local", conn.LocalAddr().Network(), host, err)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Raw()
	}),
	hijacks("100000 bytes both ways", func(conn net.Conn, rw *bufio.ReadWriter, run *Run) {
		n, err := io.CopyN(conn, rw, 100000)
		run.Note("echoed", n, err)
		conn.Close()
	}, func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		go c.Send(long(100000))
		c.Raw()
	}),
	{Name: "hijack: the ResponseWriter afterwards", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		conn, _, err := http.NewResponseController(w).Hijack()
		run.Note("hijack", err)
		if err != nil {
			return
		}
		n, err := w.Write([]byte("x"))
		run.Note("write", n, err)
		n, err = w.Write(nil)
		run.Note("write nothing", n, err)
		w.WriteHeader(404)
		_, _, err = http.NewResponseController(w).Hijack()
		run.Note("hijack again", err)
		run.Note("context", r.Context().Err() == nil)
		conn.Close()
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Raw()
	}},
	{Name: "hijack: after a Write", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "5")
		io.WriteString(w, "hello")
		flush(w)
		conn, _, err := http.NewResponseController(w).Hijack()
		run.Note("hijack", err)
		if err == nil {
			conn.Close()
		}
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Response("GET")
		c.Leave()
	}},
	{Name: "hijack: the handler panics", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		conn, _, err := http.NewResponseController(w).Hijack()
		run.Note("hijack", err)
		io.WriteString(conn, "raw")
		run.Later(func() {
			run.Await("read")
			conn.Close()
		})
		panic(http.ErrAbortHandler)
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Note(c.RawSome(3))
		c.Tell("read")
		c.Raw()
	}},
}

// hijacks is a row whose handler takes the connection over.
func hijacks(name string, handler func(conn net.Conn, rw *bufio.ReadWriter, run *Run), talk func(c *Client)) Row {
	return Row{Name: "hijack: " + name, OneOnly: byHand, Talk: talk, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		run.Note("hijack", err)
		run.Tell("hijacked")
		if err == nil {
			handler(conn, rw, run)
		}
	}}
}

// wrapped is a ResponseWriter of some middleware's.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var contextRows = []Row{
	does("context: while the handler runs", func(w http.ResponseWriter, r *http.Request, run *Run) {
		ctx := r.Context()
		run.Note("error", ctx.Err() == nil)
		_, ok := ctx.Deadline()
		run.Note("deadline", ok)
		run.Note("done", ctx.Done() != nil)
	}),
	does("context: after the handler", func(w http.ResponseWriter, r *http.Request, run *Run) {
		ctx := r.Context()
		run.Later(func() {
			<-ctx.Done()
			run.Note("error", ctx.Err())
			run.Note("cause", context.Cause(ctx))
		})
	}),
	does("context: ServerContextKey", func(w http.ResponseWriter, r *http.Request, run *Run) {
		srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
		run.Note("server", ok, srv != nil)
	}),
	does("context: LocalAddrContextKey", func(w http.ResponseWriter, r *http.Request, run *Run) {
		addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		run.Note("there", ok)
		if !ok {
			return
		}
		run.Note("network", addr.Network())
		host, port, err := net.SplitHostPort(addr.String())
		run.Note("address", host, port != "0" && port != "", err)
		_, ok = addr.(*net.TCPAddr)
		run.Note("TCPAddr", ok)
	}),
	does("context: CloseNotify while the client is there", func(w http.ResponseWriter, r *http.Request, run *Run) {
		gone := w.(http.CloseNotifier).CloseNotify()
		ctx := r.Context()
		run.Later(func() {
			<-ctx.Done()
			select {
			case <-gone:
				run.Note("gone")
			default:
				run.Note("not gone")
			}
		})
	}),
	{Name: "context: CloseNotify when the client leaves", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Tell("in")
		run.Note("gone", <-w.(http.CloseNotifier).CloseNotify())
	}, Talk: func(c *Client) {
		c.Send(get)
		c.Await("in")
		c.Leave()
	}},
	does("context: unknown key", func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("value", r.Context().Value("none") == nil)
	}),
	does("context: WithContext and Clone", func(w http.ResponseWriter, r *http.Request, run *Run) {
		type key struct{}
		clone := r.Clone(context.WithValue(r.Context(), key{}, "a"))
		clone.Header.Set("X-A", "1")
		clone.URL.Path = "/other"
		run.Note("own", r.Header.Get("X-A"), r.URL.Path, clone.Context().Value(key{}))
	}),
	does("context: AfterFunc", func(w http.ResponseWriter, r *http.Request, run *Run) {
		called := make(chan bool)
		context.AfterFunc(r.Context(), func() { close(called) })
		run.Later(func() {
			<-called
			run.Note("called")
		})
	}),
}
