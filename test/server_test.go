// A host under test, as a client sees it.

package test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// server is a running host.
type server struct {
	name   string
	base   string // what URLs begin with
	dial   func() (net.Conn, error)
	client *http.Client
	log    func() string
	hasty  bool // closes a connection that is kept so soon that a body may meet it
}

// newServer makes the client side of a host that dial reaches.
func newServer(name, base string, dial func() (net.Conn, error), log func() string) *server {
	return &server{name: name, base: base, dial: dial, log: log, client: &http.Client{
		Transport: &http.Transport{
			DialContext:           func(context.Context, string, string) (net.Conn, error) { return dial() },
			MaxIdleConnsPerHost:   16,
			DisableCompression:    true,
			ExpectContinueTimeout: patience,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// once is the same host for a client that makes a connection for each request:
// net/http does not send again what has a body when the server closes the one
// that it had kept.
func (s *server) once() *server {
	c := newServer(s.name, s.base, s.dial, s.log)
	c.client.Transport.(*http.Transport).DisableKeepAlives = true
	return c
}

// uploadUnread sends what the application does not read: the answer may come, and
// the connection end, before all of it is sent.
func (s *server) uploadUnread() error {
	a, err := s.try("POST", "/unread", strings.NewReader(strings.Repeat("x", 100000)))
	if err == nil && a.StatusCode != 200 {
		return errors.New(a.Status)
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// dialTCP dials addr. Its small receive buffer makes slow readers slow.
func dialTCP(addr string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.DialTimeout("tcp", addr, patience) }
}

// freePort is a port that nobody listens on, for a server to be started. It is
// below those that the system gives to clients: the thousands that other tests
// have would sooner or later take it before the server does.
func freePort(t *testing.T) int {
	t.Helper()
	const first, end = 10000, 32768
	for {
		port := first + rand.IntN(end-first)
		if _, taken := ports.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
}

var ports sync.Map // those that freePort has given

// awaitListening waits until a server that has been started takes connections,
// and gives up when it has ended.
func awaitListening(t *testing.T, name, addr string, exited <-chan struct{}, log func() string) {
	t.Helper()
	eventually(t, name+" listens", func() bool {
		select {
		case <-exited:
			t.Fatalf("%s has ended: %s", name, log())
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

var keys atomic.Int64

// newKey is a name for events that nobody else uses.
func newKey() string {
	return "k" + strconv.FormatInt(keys.Add(1), 10) + "." + strconv.FormatInt(time.Now().UnixNano(), 36)
}

// answer is a response read to its end.
type answer struct {
	*http.Response
	body string
	err  error // of reading the body
}

// do sends a request and reads the response to its end, or to its cut.
func (s *server) do(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	a, err := s.try(method, path, body, headers...)
	require.NoError(t, err, "%s %s", method, path)
	return a
}

func (s *server) try(method, path string, body io.Reader, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	s.renew(req)
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(res), nil
}

func readAnswer(res *http.Response) answer {
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res, string(b), err}
}

func (s *server) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return s.do(t, "GET", path, nil, headers...)
}

// whole is get for a response that must come to its end.
func (s *server) whole(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	a := s.get(t, path, headers...)
	require.NoError(t, a.err)
	return a
}

// pattern gets a response that must be Pattern(seed, n), of which it keeps none:
// the large ones are many. It is returned without its body.
func (s *server) pattern(t *testing.T, path, seed string, n int64) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.base+path, nil)
	require.NoError(t, err)
	res, err := s.client.Do(req)
	require.NoError(t, err, path)
	defer res.Body.Close()
	h := sha256.New()
	got, err := io.Copy(h, res.Body)
	require.NoError(t, err, path)
	assert.Equal(t, n, got, path)
	assert.Equal(t, behave.PatternHash(seed, n), hex.EncodeToString(h.Sum(nil)), path)
	return answer{Response: res}
}

// into decodes a JSON answer.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, a.err)
	require.NoError(t, json.Unmarshal([]byte(a.body), v), "%q", a.body)
}

func (s *server) tell(t *testing.T, key string) {
	t.Helper()
	require.Equal(t, http.StatusNoContent, s.get(t, "/tell?key="+url.QueryEscape(key)).StatusCode)
}

// await waits for an event of the application.
func (s *server) await(t *testing.T, key string) string {
	t.Helper()
	a := s.get(t, "/await?key="+url.QueryEscape(key))
	require.NoError(t, a.err)
	require.Equal(t, 200, a.StatusCode)
	return a.body
}

func (s *server) count(t *testing.T, key string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s.whole(t, "/count?key="+url.QueryEscape(key)).body, 10, 64)
	require.NoError(t, err)
	return n
}

func (s *server) runtime(t *testing.T, query string) (r behave.Runtime) {
	t.Helper()
	s.whole(t, "/runtime?"+query).into(t, &r)
	return r
}

// tryRuntime is runtime of a server that is being restarted: of none if there is
// no answer.
func (s *server) tryRuntime() (r behave.Runtime) {
	s.client.CloseIdleConnections()
	if a, err := s.try("GET", "/runtime", nil); err == nil {
		json.Unmarshal([]byte(a.body), &r)
	}
	return r
}

// awaitLog waits for a line in the host's log and returns the log.
func (s *server) awaitLog(t *testing.T, text string) string {
	t.Helper()
	eventually(t, fmt.Sprintf("%q in the log of %s:\n%s", text, s.name, tail(s.log())), func() bool { return strings.Contains(s.log(), text) })
	return s.log()
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// wire is a connection that a test speaks HTTP/1.1 on by hand.
type wire struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// wire dials and sends text, in which each line feed stands for CR LF.
func (s *server) wire(t *testing.T, text string) *wire {
	t.Helper()
	c, err := s.dial()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	w := &wire{c, t, bufio.NewReader(c)}
	w.send(strings.ReplaceAll(text, "\n", "\r\n"))
	return w
}

// send sends bytes as they are.
func (w *wire) send(text string) {
	w.t.Helper()
	_, err := io.WriteString(w.Conn, text)
	require.NoError(w.t, err)
}

// response reads the next response's head; method is the request's.
func (w *wire) response(method string) *http.Response {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, &http.Request{Method: method})
	require.NoError(w.t, err)
	return res
}

// answer reads the next response to its end or cut.
func (w *wire) answer(method string) answer {
	w.t.Helper()
	res := w.response(method)
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	return answer{res, string(b), err}
}

// rest reads all bytes until the connection ends.
func (w *wire) rest() (string, error) {
	b, err := io.ReadAll(w.r)
	return string(b), err
}

// send sends a request made by hand.
func (s *server) send(t *testing.T, req *http.Request) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(req.Context(), 2*patience)
	defer cancel()
	s.renew(req)
	res, err := s.client.Do(req.WithContext(ctx))
	require.NoError(t, err)
	return readAnswer(res)
}

// renew has a request whose body net/http would not send a second time go out on
// a connection of its own, if it might need to be sent again.
func (s *server) renew(req *http.Request) {
	if s.hasty && req.Body != nil {
		s.client.CloseIdleConnections()
	}
}

// counting counts what is written to it.
type counting struct{ n atomic.Int64 }

func (c *counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// hash is the hexadecimal SHA-256 of s.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
