// Connections that the application takes over.

package behave

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"

// serveHijack takes the connection over and does with it what ?how= says. It
// tells KEY/in when it has it, and KEY/out with what it ended with.
func serveHijack(w http.ResponseWriter, r *http.Request) {
	key, how := r.URL.Query().Get("key"), r.URL.Query().Get("how")
	if how == "after-head" {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		_, _, err := http.NewResponseController(w).Hijack()
		fmt.Fprint(w, err != nil)
		return
	}
	if how == "head-first" {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "raw")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.Header().Set("X-Unsupported", fmt.Sprint(errors.Is(err, errors.ErrUnsupported)))
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	if how != "head-first" {
		io.WriteString(c, switched)
	}
	tell(key+"/in", "")
	if how == "leave" {
		go converse(w, r, c, rw, "echo", key)
		return
	}
	defer c.Close()
	converse(w, r, c, rw, how, key)
}

// converse speaks on a connection that was taken over.
func converse(w http.ResponseWriter, r *http.Request, c net.Conn, rw *bufio.ReadWriter, how, key string) {
	var err error
	switch how {
	case "echo", "head-first":
		_, err = io.Copy(struct{ io.Writer }{c}, rw)
		c.Close()
	case "bye":
		_, err = io.WriteString(c, "bye")
	case "lines":
		var line string
		for err == nil {
			if line, err = rw.ReadString('\n'); err == nil {
				rw.WriteString("you said " + line)
				err = rw.Flush()
			}
		}
	case "fill":
		buf := make([]byte, 32<<10)
		for n := number(r, "n"); n > 0 && err == nil; n -= int64(len(buf)) {
			_, err = c.Write(buf)
			counter(key).Add(int64(len(buf)))
		}
	case "unread":
		<-r.Context().Done()
	case "deadline":
		err = passDeadlines(c)
	case "rules":
		err = breakRules(w, r, c)
	case "hold":
		_, err = await(context.Background(), key+"/go")
	}
	tell(key+"/out", fmt.Sprint(err))
}

// passDeadlines has a read and a write end by deadlines that are set before and
// while they wait.
func passDeadlines(c net.Conn) error {
	b := make([]byte, 64<<10)
	c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || !isTimeout(err) {
		return fmt.Errorf("read, deadline before: %w", err)
	}
	c.SetReadDeadline(time.Time{})
	time.AfterFunc(5*time.Millisecond, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("read, deadline while it waits: %w", err)
	}
	c.SetReadDeadline(time.Time{})
	io.WriteString(c, "ask")
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != "answer" {
		return fmt.Errorf("read without a deadline: %q %v", b[:n], err)
	}
	c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	for err == nil {
		_, err = c.Write(b)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || !isTimeout(err) {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// breakRules does what must not be done on and with a connection that was taken
// over.
func breakRules(w http.ResponseWriter, r *http.Request, c net.Conn) error {
	if _, err := w.Write([]byte("x")); err != http.ErrHijacked {
		return fmt.Errorf("write: %w", err)
	}
	w.WriteHeader(http.StatusTeapot)
	if _, _, err := http.NewResponseController(w).Hijack(); err != http.ErrHijacked {
		return fmt.Errorf("hijack: %w", err)
	}
	if _, ok := c.RemoteAddr().(*net.TCPAddr); !ok || c.RemoteAddr().String() != r.RemoteAddr {
		return fmt.Errorf("remote address %v", c.RemoteAddr())
	}
	io.WriteString(c, "done")
	c.Close()
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("write after close: %w", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("read after close: %w", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close after close: %w", err)
	}
	return nil
}

// serveTrailers tells of the trailers of the request: what was announced before
// the body was read, and what there was after it.
func serveTrailers(w http.ResponseWriter, r *http.Request) {
	var announced []string
	for name, values := range r.Trailer {
		announced = append(announced, fmt.Sprint(name, len(values)))
	}
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprintln(w, strings.Join(announced, ","), n, err)
	r.Trailer.Write(w)
}
