package middleware

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/host"
)

var text = []host.Pair{{Name: "Content-Type", Value: "text/plain"}}

// say is an application with a body of blocks.
func say(blocks ...string) host.App {
	return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", text, nil)
		return func(yield func([]byte, error) bool) {
			for _, b := range blocks {
				if !yield([]byte(b), nil) {
					return
				}
			}
		}
	}
}

// ask serves one request.
func ask(app host.App, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

// quiet keeps package log's output from the test's.
func quiet(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	log.SetOutput(&b)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return &b
}

func where(name string) host.App {
	return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", text, nil)
		return host.Blocks([]byte(name + " " + env.Vars["SCRIPT_NAME"] + " " + env.Vars["PATH_INFO"]))
	}
}

func TestRouter_LongestPrefixWinsAndShiftsThePath(t *testing.T) {
	router := Router(map[string]host.App{"/api": where("api"), "/api/v2/": where("v2"), "/a b": where("space")})
	for target, want := range map[string]string{
		"/api":          "api /api ",
		"/api/":         "api /api /",
		"/api/x%2Fy":    "api /api /x/y",
		"/api/v2/users": "v2 /api/v2 /users",
		"/a%20b/c":      "space /a b /c",
	} {
		assert.Equal(t, want, ask(router, "GET", target).Body.String())
	}
	for _, target := range []string{"/", "/apix", "/other"} {
		w := ask(router, "GET", target)
		assert.Equal(t, 404, w.Code)
		assert.Equal(t, "404 page not found\n", w.Body.String())
	}
	all := Router(map[string]host.App{"": where("all"), "/outer": Router(map[string]host.App{"/inner": where("inner")})})
	assert.Equal(t, "all  /x", ask(all, "GET", "/x").Body.String())
	assert.Equal(t, "inner /outer/inner /x", ask(all, "GET", "/outer/inner/x").Body.String())
}

func TestRouter_HandlersBelowSeeTheShiftedPath(t *testing.T) {
	router := Router(map[string]host.App{"/api": host.FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.EscapedPath()+" of "+r.RequestURI)
	}))})
	assert.Equal(t, "/x%2Fy of /api/x%2Fy", ask(router, "GET", "/api/x%2Fy").Body.String())
	assert.Equal(t, "/ of /api", ask(router, "GET", "/api").Body.String())
}

func TestRouter_MalformedPrefixesPanic(t *testing.T) {
	for _, apps := range []map[string]host.App{{"api": say()}, {"/api": say(), "/api/": say()}, {"/api": nil}} {
		assert.Panics(t, func() { Router(apps) })
	}
}

// TestPEP3333_24: a single-threaded mode can be had.
func TestPEP3333_24_SerialRunsOneRequestAtATime(t *testing.T) {
	running, most := 0, 0
	var mu sync.Mutex
	app := Serial()(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		assert.False(t, env.Multithread)
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		start("200 OK", text, nil)
		return func(yield func([]byte, error) bool) {
			yield([]byte("x"), nil)
			time.Sleep(time.Millisecond) // for others to come in, if they can
			mu.Lock()
			running--
			mu.Unlock()
		}
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.Equal(t, "x", ask(app, "GET", "/").Body.String()) })
	}
	wg.Wait()
	assert.Equal(t, 1, most)
}

// compress is the filter of Filter's comment.
var compress = Filter(func(env *host.Env, head *Head) func(io.Writer) io.WriteCloser {
	if head.Header("content-type") != "text/plain" {
		return nil
	}
	head.Headers = append(head.Headers, host.Pair{Name: "Content-Encoding", Value: "gzip"})
	return func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
})

func TestFilter_ChangesBlocksAndWrites(t *testing.T) {
	for name, app := range map[string]host.App{
		"blocks": say("one ", "", "two ", "three"),
		"writes": func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			w := start("200 OK", append(text, host.Pair{Name: "Content-Length", Value: "13"}), nil)
			io.WriteString(w, "one two ")
			assert.NoError(t, host.Flush(w))
			io.WriteString(w, "three")
			return nil
		},
		"handler": host.FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, "one two three")
		})),
		"file": func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			return host.FileWrapper(start("200 OK", text, nil), strings.NewReader("one two three"))
		},
	} {
		w := ask(compress(app), "GET", "/")
		assert.Equal(t, "gzip", w.Header().Get("Content-Encoding"), name)
		assert.Empty(t, w.Header().Get("Content-Length"), name)
		r, err := gzip.NewReader(w.Body)
		require.NoError(t, err, name)
		b, err := io.ReadAll(r)
		assert.NoError(t, err, name)
		assert.Equal(t, "one two three", string(b), name)
	}
}

func TestFilter_LeavesOthersAsTheyAre(t *testing.T) {
	w := ask(compress(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("103 Early Hints", nil, nil)
		start("200 OK", []host.Pair{{Name: "Content-Type", Value: "image/png"}, {Name: "Content-Length", Value: "3"}}, nil)
		return host.Blocks([]byte("png"))
	}), "GET", "/")
	assert.Equal(t, "png", w.Body.String())
	assert.Equal(t, "3", w.Header().Get("Content-Length"))
	w = ask(compress(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("304 Not Modified", text, nil)
		return nil
	}), "GET", "/")
	assert.Equal(t, 304, w.Code)
	assert.Empty(t, w.Body.String())
}

func TestFilter_SendsEachBlockBeforeTheNextIsAskedFor(t *testing.T) {
	var w *httptest.ResponseRecorder
	sizes := []int{}
	app := compress(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", text, nil)
		return func(yield func([]byte, error) bool) {
			for range 3 {
				yield([]byte("block"), nil)
				sizes = append(sizes, w.Body.Len())
			}
		}
	})
	w = httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Len(t, sizes, 3)
	assert.Positive(t, sizes[0])
	assert.Greater(t, sizes[1], sizes[0])
	assert.Greater(t, sizes[2], sizes[1])
}

func TestFilter_FailedBodyIsNotEnded(t *testing.T) {
	quiet(t)
	w := httptest.NewRecorder()
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		compress(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", text, nil)
			return func(yield func([]byte, error) bool) {
				yield([]byte("half"), nil)
				yield(nil, errors.New("broken"))
			}
		}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	})
	r, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	assert.Equal(t, "half", string(b))
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAccessLog_WritesCombinedLines(t *testing.T) {
	var out bytes.Buffer
	app := AccessLog(&out)(say("12345", "67890"))
	ask(app, "GET", "/a%20b?c=\"d\"", "User-Agent", "test \"quoted\"\\\x7f", "Referer", "http://r/")
	assert.Regexp(t, `^192\.0\.2\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a%20b\?c=\\"d\\" HTTP/1\.1" 200 10 "http://r/" "test \\"quoted\\"\\\\\\x7f"`+"\n$", out.String())

	out.Reset()
	ask(AccessLog(&out)(host.FromHandler(http.FileServerFS(os.DirFS(t.TempDir())))), "GET", "/none")
	assert.Contains(t, out.String(), `"GET /none HTTP/1.1" 404 19 "-" "-"`)

	out.Reset()
	assert.Panics(t, func() {
		ask(AccessLog(&out)(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] { panic("broken") }), "GET", "/")
	})
	assert.Contains(t, out.String(), `" 500 0 "-"`)
}

func TestAccessLog_CountsFilesAndLeavesThemToTheServer(t *testing.T) {
	var out bytes.Buffer
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, make([]byte, 100000), 0o600))
	srv := httptest.NewServer(AccessLog(&out)(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		f, err := os.Open(name)
		require.NoError(t, err)
		w := start("200 OK", text, nil)
		_, ok := w.(io.ReaderFrom)
		assert.True(t, ok)
		return host.FileWrapper(w, f)
	}))
	defer srv.Close()
	answer, err := http.Get(srv.URL)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	assert.EqualValues(t, 100000, n)
	answer.Body.Close()
	srv.Close() // waits for the line
	assert.Contains(t, out.String(), `" 200 100000 "`)
}

func TestAccessLog_ConnectionTakenOverIs101(t *testing.T) {
	var out bytes.Buffer
	ended := make(chan struct{})
	app := AccessLog(&out)(Validate(nil)(host.FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if assert.NoError(t, err) {
			io.WriteString(c, "raw")
			c.Close()
		}
	}))))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		app.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, "raw", string(b))
	<-ended
	assert.Contains(t, out.String(), `" 101 0 "`)
}

func breaks(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
	panic("the secret reason") // a mark for the test
}

func TestErrorPage_TellsNothingInProduction(t *testing.T) {
	logged := quiet(t)
	for _, app := range []host.App{breaks, func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", append(text, host.Pair{Name: "X-Half", Value: "1"}), nil)
		return host.Fail(errors.New("the secret reason"))
	}} {
		w := ask(ErrorPage(false)(app), "GET", "/")
		assert.Equal(t, 500, w.Code)
		assert.Equal(t, "Internal Server Error\n", w.Body.String())
		assert.Empty(t, w.Header().Get("X-Half"))
		assert.Contains(t, logged.String(), "the secret reason")
	}
	assert.Contains(t, logged.String(), "middleware.breaks", "the stack")
}

func TestErrorPage_ShowsStackSourceAndEnvironInDevelopment(t *testing.T) {
	quiet(t)
	w := ask(ErrorPage(true)(breaks), "GET", "/x?<q>", "Accept", "text/html", "X-Test", "<script>")
	assert.Equal(t, 500, w.Code)
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	for _, want := range []string{"panic: the secret reason", "middleware.breaks", "middleware_test.go:", "a mark for the test", "PATH_INFO", "&lt;script&gt;"} {
		assert.Contains(t, w.Body.String(), want)
	}
	w = ask(ErrorPage(true)(breaks), "GET", "/x")
	assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	for _, want := range []string{"panic: the secret reason", "> ", "a mark for the test", `PATH_INFO="/x"`} {
		assert.Contains(t, w.Body.String(), want)
	}
}

func TestErrorPage_AfterTheHeadTheResponseIsBrokenOff(t *testing.T) {
	quiet(t)
	for _, app := range []host.App{
		func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", text, nil)
			return func(yield func([]byte, error) bool) { yield([]byte("half"), nil); panic("broken") }
		},
		func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", text, nil)
			return func(yield func([]byte, error) bool) { yield([]byte("half"), nil); yield(nil, errors.New("broken")) }
		},
	} {
		w := httptest.NewRecorder()
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { ErrorPage(true)(app).ServeHTTP(w, httptest.NewRequest("GET", "/", nil)) })
		assert.Equal(t, "half", w.Body.String())
	}
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		ask(ErrorPage(true)(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] { panic(http.ErrAbortHandler) }), "GET", "/")
	})
}
