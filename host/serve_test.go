package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServe_SmallAnswerIsOnePart(t *testing.T) {
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-B", "2")
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-A", "1")
		io.WriteString(w, "hello, ")
		io.WriteString(w, "world")
	})
	require.Len(t, x.parts, 1)
	assert.Equal(t, Part{
		Status:  200,
		Headers: []Pair{{"Content-Type", "text/plain"}, {"X-A", "1"}, {"X-B", "2"}, {"Content-Length", "12"}},
		Body:    []byte("hello, world"),
		End:     Complete,
	}, x.parts[0])
}

func TestServe_LateTrailerIsSeenWhateverElseTheMapHolds(t *testing.T) {
	late := http.TrailerPrefix + "X-Late"
	for name, change := range map[string]func(h http.Header){
		"added":                     func(h http.Header) { h.Set(late, "1") },
		"in the place of the type":  func(h http.Header) { h.Del("Content-Type"); h.Set(late, "1") },
		"in the place of a length":  func(h http.Header) { h.Del("Content-Length"); h.Set(late, "1") },
		"in the place of the other": func(h http.Header) { delete(h, "X-A"); h.Set(late, "1") },
	} {
		for fields, set := range map[string]func(h http.Header){
			"type":   func(h http.Header) { h.Set("Content-Type", "a/b") },
			"length": func(h http.Header) { h.Set("Content-Length", "1") },
			"more":   func(h http.Header) { h["X-A"] = []string{"1", "2"}; h.Set("Content-Type", "a/b") },
			"unsent": func(h http.Header) { h["X-A"] = nil; h.Set("Connection", "x"); h.Set("X B", "1") },
			"none":   func(h http.Header) {},
		} {
			t.Run(name+"/"+fields, func(t *testing.T) {
				captureLog(t)
				x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
					set(w.Header())
					io.WriteString(w, "x")
					change(w.Header())
				})
				assert.Equal(t, []Pair{{"X-Late", "1"}}, x.Trailers)
			})
		}
	}
}

func TestServe_PartsOfALargeAnswer(t *testing.T) {
	sizes := func(x *strict) (s []int) {
		for _, p := range x.parts {
			s = append(s, len(p.Body))
		}
		return s
	}
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 100))
		w.Write(make([]byte, 2000)) // fills the buffer before the head
		w.Write(make([]byte, 4000))
		w.Write(make([]byte, 5000)) // fills the buffer after the head, then collects
		w.Write(make([]byte, 100))
	})
	assert.Equal(t, []int{2048, 4096, 4956, 100}, sizes(x))
	assert.Len(t, x.Body, 11200)

	x = serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, bare{bytes.NewReader(make([]byte, 100<<10))})
	})
	assert.Equal(t, []int{32 << 10, 32 << 10, 32 << 10, 4 << 10, 0}, sizes(x))
}

func TestServe_FlushSendsAtOnce(t *testing.T) {
	x := &strict{}
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		assert.NoError(t, rc.Flush())
		assert.Len(t, x.parts, 1)
		assert.NoError(t, rc.Flush()) // nothing new
		assert.Len(t, x.parts, 1)
		io.WriteString(w, "a")
		assert.Len(t, x.parts, 1)
		assert.NoError(t, rc.Flush())
		assert.Len(t, x.parts, 2)
		assert.Equal(t, "a", string(x.Body))
		w.Write(make([]byte, 5000))
		assert.NoError(t, rc.Flush()) // sent, but not flushed before
		assert.NoError(t, rc.EnableFullDuplex())
		_, _, err := rc.Hijack()
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		_, ok := w.(http.Pusher)
		assert.False(t, ok)
	}), "GET", "/")
	x.serve(t)
	assert.Equal(t, 3, x.Flushes)
	assert.Equal(t, Complete, x.End)
}

func TestServe_CloseNotifyTellsOfAClientThatLeavesOnly(t *testing.T) {
	x := &strict{Memory: Memory{Request: request("", "GET", "/")}}
	x.Request.App = app(func(w http.ResponseWriter, r *http.Request) {
		gone := w.(http.CloseNotifier).CloseNotify()
		x.Cancel(nil)
		assert.True(t, <-gone)
	})
	x.serve(t)

	var gone <-chan bool
	var ctx context.Context
	serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
		gone = w.(http.CloseNotifier).CloseNotify()
	})
	after := make(chan struct{})
	context.AfterFunc(ctx, func() { close(after) })
	<-after
	assert.Empty(t, gone)
}

func TestServe_CopyGoesOutAsItIsRead(t *testing.T) {
	x := &strict{}
	pr, pw := io.Pipe()
	x.OnPart = func(p *Part) error {
		if bytes.Contains(p.Body, []byte("tick")) {
			pw.Close()
		}
		return nil
	}
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		n, err := io.Copy(w, pr)
		assert.EqualValues(t, 4, n)
		assert.NoError(t, err)
	}), "GET", "/")
	go pw.Write([]byte("tick"))
	x.serve(t)
	assert.Equal(t, "tick", string(x.Body))
}

func TestServe_CopyErrors(t *testing.T) {
	broken := errors.New("broken")
	serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, bare{io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))})
		assert.EqualValues(t, 3, n)
		assert.Equal(t, broken, err)
	})
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		n, err := io.Copy(w, bare{strings.NewReader("abcdefgh")})
		assert.EqualValues(t, 5, n)
		assert.Equal(t, http.ErrContentLength, err)
	})
	assert.Equal(t, "abcde", string(x.Body))
	assert.Equal(t, Complete, x.End)
	serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		n, err := io.Copy(w, bare{strings.NewReader("abcdefgh")})
		assert.Zero(t, n)
		assert.Equal(t, http.ErrBodyNotAllowed, err)
	})
}

func TestServe_Writes(t *testing.T) {
	captureLog(t)
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		n, err := io.WriteString(w, "ab")
		assert.Equal(t, 2, n)
		assert.NoError(t, err)
		n, err = io.WriteString(w, "cd")
		assert.Zero(t, n)
		assert.Equal(t, http.ErrContentLength, err)
	})
	assert.Equal(t, "ab", string(x.Body))
	assert.Equal(t, Aborted, x.End)
	for _, status := range []int{204, 304} {
		serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			n, err := io.WriteString(w, "x")
			assert.Zero(t, n)
			assert.Equal(t, http.ErrBodyNotAllowed, err)
		})
	}
	x = serve(t, request("", "HEAD", "/"), func(w http.ResponseWriter, r *http.Request) {
		n, err := w.Write(make([]byte, 9000))
		assert.Equal(t, 9000, n)
		assert.NoError(t, err)
	})
	assert.Empty(t, x.Body)
}

func TestServe_WhatMayNotBeSent(t *testing.T) {
	log := captureLog(t)
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X Y"] = []string{"1"}
		h["X-Split"] = []string{"a\r\nSet-Cookie: b", "fine"} // on one line, as net/http has it
		h["X-Nul"] = []string{"a\x00b"}
		h["X-Del"] = []string{"a\x7fb"}
		h["content-length"] = []string{"99"}
		h["X-Tab"] = []string{"a\tb"}
		h.Set("Connection", "keep-alive, X-Foo")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Upgrade", "h2c")
		h["proxy-connection"] = []string{"close"}
		h.Set("Transfer-Encoding", "chunked")
		h.Set("Date", "today")
		h.Set("Server", "mine")
	})
	assert.Equal(t, []Pair{{"Date", "today"}, {"Server", "mine"}, {"X-Split", "a  Set-Cookie: b"}, {"X-Split", "fine"}, {"X-Tab", "a\tb"}}, x.Headers)
	lines := log.String()
	for _, name := range []string{`"X Y"`, `"X-Nul"`, `"X-Del"`, `"content-length"`} {
		assert.Contains(t, lines, ": header "+name+" not sent: its ")
	}
	assert.Equal(t, 4, strings.Count(lines, `, app: "`+x.Request.App+`", client: 192.0.2.1, request: "GET / HTTP/1.1", host: "example.org"`))

	x = serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "Close") })
	assert.Equal(t, "close", field(x.Headers, "Connection"))
}

func TestServe_Trailers(t *testing.T) {
	log := captureLog(t)
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum, Content-Length, x-none")
		io.WriteString(w, "abc")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
		w.Header().Set(http.TrailerPrefix+"Content-Type", "3")
		w.Header()[http.TrailerPrefix+"X Bad"] = []string{"4"}
		w.Header()[http.TrailerPrefix+"X-Split"] = []string{"a\nb"}
		w.Header().Set("Transport", "not a trailer")
	})
	assert.Equal(t, []Pair{{"X-Late", "2"}, {"X-Split", "a b"}, {"X-Sum", "1"}}, x.Trailers)
	assert.Equal(t, "X-Sum, Content-Length, x-none", field(x.Headers, "Trailer"))
	assert.Empty(t, field(x.Headers, "Content-Length"))
	assert.Contains(t, log.String(), `PILLION-1013: trailer "Content-Type" not sent`)

	// net/http would lose it; here the length is left out instead.
	x = serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "abc")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	assert.Equal(t, []Pair{{"X-Late", "2"}}, x.Trailers)
	assert.Empty(t, field(x.Headers, "Content-Length"))
}

func TestServe_InformationalHeads(t *testing.T) {
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(103)
		w.Header().Set("Link", "</b>")
		w.WriteHeader(100)
		io.WriteString(w, "abc")
	})
	assert.Equal(t, []Info{{103, []Pair{{"Link", "</a>"}}}, {100, []Pair{{"Link", "</b>"}}}}, x.Info)
	assert.Equal(t, 2, x.Flushes)
	assert.Equal(t, 200, x.Status)
	assert.Equal(t, "3", field(x.Headers, "Content-Length"))
}

func TestServe_SwitchingProtocolsIsBrokenOff(t *testing.T) {
	log := captureLog(t)
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
		_, err := io.WriteString(w, "x")
		assert.Equal(t, http.ErrBodyNotAllowed, err)
		w.(http.Flusher).Flush()
	})
	assert.Equal(t, []Part{{End: Aborted}}, x.parts)
	assert.Contains(t, log.String(), "cannot switch protocols without")
}

func TestServe_Broken(t *testing.T) {
	for name, c := range map[string]struct {
		end    func()
		log    string
		logged bool
	}{
		"panic":             {func() { panic("boom") }, "PILLION-1003: panic serving /x?y: boom", true},
		"runtime error":     {func() { var m map[int]int; m[1] = 2 }, "PILLION-1003: panic serving /x?y: assignment to entry in nil map", true},
		"panic with an err": {func() { panic(io.ErrClosedPipe) }, "PILLION-1003: panic serving /x?y: io: read/write on closed pipe", true},
		"panic with nil":    {func() { panic(nil) }, "PILLION-1003: panic serving /x?y: panic called with nil argument", true},
		"abort":             {func() { panic(http.ErrAbortHandler) }, "", false},
		"exit":              {func() { runtime.Goexit() }, "PILLION-1004: runtime.Goexit serving /x?y", true},
		"bad status":        {nil, "PILLION-1003: panic serving /x?y: host: WriteHeader: 1 is not a status", true},
	} {
		for _, when := range []string{"before", "buffered", "after"} {
			t.Run(name+"/"+when, func(t *testing.T) {
				if name == "bad status" && when != "before" {
					return
				}
				log := captureLog(t)
				var ctx context.Context
				before := Completed()
				x := serve(t, request("", "GET", "/x?y"), func(w http.ResponseWriter, r *http.Request) {
					ctx = r.Context()
					if c.end == nil {
						w.WriteHeader(1)
					}
					if when != "before" {
						io.WriteString(w, "abc")
					}
					if when == "after" {
						w.(http.Flusher).Flush()
						io.WriteString(w, "lost")
					}
					c.end()
				})
				assert.Error(t, ctx.Err())
				assert.Equal(t, Aborted, x.End)
				assert.Equal(t, Part{End: Aborted}, x.parts[len(x.parts)-1])
				if when == "after" {
					assert.Len(t, x.parts, 2)
					assert.Equal(t, "abc", string(x.Body))
				} else {
					assert.Len(t, x.parts, 1)
				}
				if c.logged {
					line := fmt.Sprintf("ERROR %s, app: %q, client: 192.0.2.1, request: \"GET /x?y HTTP/1.1\", host: \"example.org\"\ngoroutine ", c.log, x.Request.App)
					assert.True(t, strings.HasPrefix(strings.ReplaceAll(log.String(), " (use GODEBUG=panicnil=1 to disable)", ""), line), log.String())
					assert.Contains(t, log.String(), "serve_test.go:")
				} else {
					assert.Empty(t, log.String())
				}
				assert.Zero(t, Running())
				assert.Equal(t, before+1, Completed())
			})
		}
	}
}

func TestServe_TooFewBytesIsBrokenOffAndLogged(t *testing.T) {
	log := captureLog(t)
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "9")
		io.WriteString(w, "abc")
	}
	x := serve(t, request("", "GET", "/"), h)
	assert.Equal(t, Aborted, x.End)
	assert.Equal(t, 200, x.Status)
	assert.Equal(t, "abc", string(x.Body))
	assert.Contains(t, log.String(), "ERROR PILLION-1008: wrote 3 bytes of a declared Content-Length of 9")
	assert.Equal(t, Complete, serve(t, request("", "HEAD", "/"), h).End)
}

func TestServe_LeftBehindWriterReachesNobody(t *testing.T) {
	captureLog(t)
	var w http.ResponseWriter
	serve(t, request("", "GET", "/"), func(rw http.ResponseWriter, r *http.Request) { w = rw; io.WriteString(w, "x") })
	_, err := w.Write([]byte("x"))
	assert.Equal(t, ErrHandlerReturned, err)
	_, err = io.WriteString(w, "x")
	assert.Equal(t, ErrHandlerReturned, err)
	_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
	assert.Equal(t, ErrHandlerReturned, err)
	rc := http.NewResponseController(w)
	assert.Equal(t, ErrHandlerReturned, rc.Flush())
	assert.Equal(t, ErrHandlerReturned, rc.SetReadDeadline(time.Now()))
	assert.Equal(t, ErrHandlerReturned, rc.SetWriteDeadline(time.Now()))
	w.WriteHeader(1)
	w.Header().Set("X", "y")
	w.(http.Flusher).Flush()
}

func TestServe_LeftBehindGoroutinesNeverReachTheExchange(t *testing.T) {
	captureLog(t)
	var leaked sync.WaitGroup
	for range 10 {
		begun := make(chan struct{}, 3)
		x := &strict{}
		x.BodyReader = forever{}
		x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
			leak := func(f func() error) {
				leaked.Go(func() {
					begun <- struct{}{}
					for f() == nil {
					}
				})
			}
			leak(func() error { _, err := w.Write(make([]byte, 3000)); return err })
			leak(func() error { _, err := r.Body.Read(make([]byte, 100)); return err })
			leak(func() error { return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)) })
			for range 3 {
				<-begun
			}
		}), "POST", "/")
		x.Request.More = true
		x.serve(t)
	}
	done := make(chan struct{})
	go func() { leaked.Wait(); close(done) }()
	wait(t, done, "the goroutines left behind")
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

func TestServe_ConcurrentWritersUnderTheirOwnLock(t *testing.T) {
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					mu.Lock()
					w.Write([]byte("0123456789"))
					w.(http.Flusher).Flush()
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	})
	assert.Equal(t, strings.Repeat("0123456789", 800), string(x.Body))
}

func TestServe_WriteDeadline(t *testing.T) {
	x := serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		assert.NoError(t, rc.SetWriteDeadline(time.Unix(1, 0)))
		_, err := w.Write(make([]byte, 9000))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.ErrorIs(t, rc.Flush(), os.ErrDeadlineExceeded)
		assert.ErrorIs(t, context.Cause(r.Context()), os.ErrDeadlineExceeded)
	})
	assert.Equal(t, Aborted, x.End)
}

func TestServe_SendFailure(t *testing.T) {
	left := errors.New("left")
	for name, fails := range map[string]func(*Part) bool{
		"first": func(p *Part) bool { return p.Status != 0 },
		"later": func(p *Part) bool { return p.Status == 0 && p.End == Open },
		"every": func(p *Part) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			x := &strict{}
			x.OnPart = func(p *Part) error {
				if fails(p) {
					return left
				}
				return nil
			}
			x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
				var err error
				for err == nil {
					_, err = w.Write(make([]byte, 9000))
				}
				assert.Equal(t, left, err)
				assert.Equal(t, left, context.Cause(r.Context()))
				n, err := w.Write([]byte("more"))
				assert.Zero(t, n)
				assert.Equal(t, left, err)
			}), "GET", "/")
			x.serve(t)
			assert.Equal(t, Aborted, x.parts[len(x.parts)-1].End)
		})
	}
}

func TestServe_Refusals(t *testing.T) {
	log := captureLog(t)
	never := func(w http.ResponseWriter, r *http.Request) { t.Error("the handler was called") }
	x := serve(t, request("", "GET", "/%zz"), never)
	assert.Equal(t, 400, x.Status)
	assert.Equal(t, "400 Bad Request: malformed request target", string(x.Body))
	assert.Equal(t, []Pair{{"Content-Length", "41"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Connection", "close"}}, x.Headers)
	assert.Equal(t, Complete, x.End)
	assert.Contains(t, log.String(), "INFO PILLION-1001: refused: 400 Bad Request: malformed request target, app: ")

	x = serve(t, request("", "HEAD", "/%zz"), never)
	assert.Equal(t, 400, x.Status)
	assert.Empty(t, x.Body)

	x = (&strict{Memory: Memory{Request: request("nobody", "GET", "/")}}).serve(t)
	assert.Equal(t, []Part{{End: Aborted}}, x.parts)
	assert.Contains(t, log.String(), `ERROR PILLION-1002: no such application, app: "nobody"`)
}

func TestServe_GeneralOptions(t *testing.T) {
	x := serve(t, request("", "OPTIONS", "*"), func(w http.ResponseWriter, r *http.Request) { t.Error("called") })
	assert.Equal(t, 200, x.Status)
	assert.Equal(t, []Pair{{"Content-Length", "0"}}, x.Headers)
}

func TestServe_SuperfluousWriteHeaderNamesItsCaller(t *testing.T) {
	log := captureLog(t)
	serve(t, request("", "GET", "/"), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.WriteHeader(500)
	})
	assert.Contains(t, log.String(), "a second WriteHeader is ignored, called by pillion/host.TestServe_SuperfluousWriteHeaderNamesItsCaller.func1 (serve_test.go:")
}

func TestServe_ManyAtOnceKeepApart(t *testing.T) {
	name := app(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Path", r.URL.Path)
		for range 100 {
			w.Write(body)
		}
	})
	before := Completed()
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			id := fmt.Sprintf("/%04d;", i)
			x := &Memory{Request: request(name, "POST", id), BodyReader: strings.NewReader(id[3:])}
			x.Request.Body, x.Request.More = []byte(id[:3]), true
			Serve(x)
			assert.Equal(t, id, field(x.Headers, "X-Path"))
			assert.Equal(t, strings.Repeat(id, 100), string(x.Body))
		})
	}
	wg.Wait()
	assert.Zero(t, Running())
	assert.Equal(t, before+1000, Completed())
}

func TestServe_ReverseProxy(t *testing.T) {
	captureLog(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/upgrade":
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "x")
			w.WriteHeader(101)
		default:
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		}
	}))
	backend.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	defer backend.Close()
	u, err := url.Parse(backend.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.ErrorLog = backend.Config.ErrorLog

	m := request("", "POST", "/")
	m.Body = bytes.Repeat([]byte("x"), 100<<10)
	x := serve(t, m, proxy.ServeHTTP)
	assert.Equal(t, 200, x.Status)
	assert.Len(t, x.Body, 100<<10)
	x = serve(t, request("", "GET", "/cut"), proxy.ServeHTTP)
	assert.Equal(t, Aborted, x.End)
	x = serve(t, request("", "GET", "/upgrade", Pair{"Connection", "Upgrade"}, Pair{"Upgrade", "x"}), proxy.ServeHTTP)
	assert.Equal(t, 502, x.Status)
}
