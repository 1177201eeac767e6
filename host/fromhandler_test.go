package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// expectation returns the first line that a server answers to a request that
// waits for 100 Continue.
func expectation(t *testing.T, addr, path string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", path)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// there and back again
func throughApp(h http.HandlerFunc) http.HandlerFunc {
	inner := FromHandler(h)
	return FromHandler(struct{ http.Handler }{inner}).ServeHTTP
}

// TestFromHandler_LosesNothing runs what compares this package with net/http, and
// more, with each handler made an App, and a handler, and an App again.
func TestFromHandler_LosesNothing(t *testing.T) {
	before := form
	form = func(f http.HandlerFunc) http.Handler { return throughApp(f) }
	t.Cleanup(func() { form = before })
	for name, test := range map[string]func(*testing.T){
		"response": TestResponse_AsNetHTTP, "request": TestRequest_AsNetHTTP, "trailers": TestRequest_TrailersAsNetHTTP,
		"hijack": TestHijack_AsNetHTTP, "flush": TestServe_FlushSendsAtOnce, "writes": TestServe_Writes, "broken": TestServe_Broken,
		"small": TestServe_SmallAnswerIsOnePart, "copy": TestServe_CopyGoesOutAsItIsRead, "copy errors": TestServe_CopyErrors,
		"too few": TestServe_TooFewBytesIsBrokenOffAndLogged, "send failure": TestServe_SendFailure, "proxy": TestServe_ReverseProxy,
		"informational": TestServe_InformationalHeads, "left behind": TestServe_LeftBehindWriterReachesNobody,
		"context": TestContext_EndsWithItsCause, "multipart": TestBody_MultipartFilesAreRemoved,
		"files": TestReadFrom_FilesAsNetHTTP, "served files": TestReadFrom_ServedFilesAsNetHTTP, "one part": TestReadFrom_FileIsOnePartWithItsHead,
	} {
		t.Run(name, test)
	}
}

func TestFromHandler_PartsAreTheSameAsWithoutIt(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"small":   func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a"); io.WriteString(w, "b") },
		"empty":   func(w http.ResponseWriter, r *http.Request) {},
		"status":  func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 404) },
		"no body": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304); w.Write([]byte("x")) },
		"large":   func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 10000)) },
		"declared": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "abc")
		},
		"flushed": func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				io.WriteString(w, "piece")
				http.NewResponseController(w).Flush()
			}
		},
		"headers": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-Many"] = []string{"1", "2"}
			w.Header().Set("Connection", "close")
			w.Header().Set("X-Bad", "a\nb")
			io.WriteString(w, "x")
		},
		"informational": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.WriteHeader(103)
			io.WriteString(w, "x")
		},
		"trailers": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "x")
			w.Header().Set("X-Sum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "2")
		},
		"too few": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "30")
			io.WriteString(w, "abc")
		},
		"aborted": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "abc")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"panic":      func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "abc"); panic("broken") },
		"copied":     func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) },
		"suppressed": func(w http.ResponseWriter, r *http.Request) { w.Header()["Content-Type"] = nil; io.WriteString(w, "x") },
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			captureLog(t)
			m := request("", method, "/a%2Fb?c=d")
			if method == "POST" {
				m.Body = bytes.Repeat([]byte("body"), 1000)
			}
			plain := serve(t, m, h)
			through := serve(t, m, throughApp(h))
			what := name + " " + method
			assert.Equal(t, plain.Status, through.Status, what)
			assert.ElementsMatch(t, plain.Headers, through.Headers, what)
			assert.Equal(t, plain.Info, through.Info, what)
			assert.Equal(t, string(plain.Body), string(through.Body), what)
			assert.Equal(t, plain.Trailers, through.Trailers, what)
			if plain.End == Complete {
				assert.Equal(t, plain.Flushes, through.Flushes, what)
			}
			assert.Equal(t, plain.End, through.End, what)
		}
	}
}

func TestFromHandler_RequestIsTheSame(t *testing.T) {
	m := request("", "POST", "/app/a%2Fb?c=d", Pair{"X-Many", "1"}, Pair{"X-Many", "2"}, Pair{"Content-Length", "4"})
	m.Environ = append(m.Environ, Pair{"SCRIPT_NAME", "/app"}, Pair{"PATH_INFO", "/a/b"}, Pair{"APP_ENV", "test"})
	m.Body = []byte("body")
	see := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintln(w, r.Method, r.URL, r.URL.RawPath, r.RequestURI, r.Host, r.RemoteAddr, r.Header["X-Many"], r.ContentLength,
			string(body), r.Context().Value(http.LocalAddrContextKey), r.TLS, r.Proto)
		vars := map[string]string{}
		for _, p := range Environ(r) {
			vars[p.Name] = p.Value
		}
		fmt.Fprintln(w, vars["SCRIPT_NAME"], vars["PATH_INFO"], vars["APP_ENV"], vars["REMOTE_ADDR"], vars["SERVER_NAME"])
	}
	assert.Equal(t, string(serve(t, m, see).Body), string(serve(t, m, throughApp(see)).Body))
}

func TestFromHandler_ChangesOfTheEnvironReachTheHandler(t *testing.T) {
	change := func(f func(env *Env)) App {
		inner := FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprint(w, r.Method, " ", r.URL, " ", r.ContentLength, " ", r.Header.Get("X-A"), " ", string(body), " ", NewEnv(r).Values["mine.key"])
		}))
		return func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
			env = env.Clone()
			f(env)
			return inner(env, start)
		}
	}
	for want, f := range map[string]func(env *Env){
		"GET /a/b?q 0   <nil>":          func(env *Env) {},
		"GET /b?q 0   <nil>":            func(env *Env) { env.Vars["SCRIPT_NAME"], env.Vars["PATH_INFO"] = "/a", "/b" },
		"GET /other%20path?q 0   <nil>": func(env *Env) { env.Vars["PATH_INFO"] = "/other path" },
		"PUT /a/b?x=y 0   <nil>":        func(env *Env) { env.Vars["REQUEST_METHOD"], env.Vars["QUERY_STRING"] = "PUT", "x=y" },
		"GET /a/b?q 0 yes  <nil>":       func(env *Env) { env.Header.Set("X-A", "yes") },
		"GET /a/b?q 0   seen":           func(env *Env) { env.Values["mine.key"] = "seen" },
		"GET /a/b?q 3  abc <nil>": func(env *Env) {
			env.Input, env.Vars["CONTENT_LENGTH"] = strings.NewReader("abc"), "3"
		},
	} {
		x := serve(t, request("", "GET", "/a/b?q"), change(f).ServeHTTP)
		assert.Equal(t, want, string(x.Body))
	}
}

func TestFromHandler_DeadlinesReachTheExchange(t *testing.T) {
	x := serve(t, request("", "GET", "/"), throughApp(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		assert.NoError(t, control.SetWriteDeadline(time.Unix(1, 0)))
		assert.NoError(t, control.SetReadDeadline(time.Unix(1, 0)))
		assert.NoError(t, control.EnableFullDuplex())
		_, err := w.Write(make([]byte, 5000))
		assert.Error(t, err)
	}))
	assert.Equal(t, Aborted, x.End)
}

func TestFromHandler_RefusedControlIsUnsupported(t *testing.T) {
	inner := FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		assert.ErrorIs(t, control.SetWriteDeadline(time.Now()), errors.ErrUnsupported)
		assert.ErrorIs(t, control.SetReadDeadline(time.Now()), errors.ErrUnsupported)
	}))
	gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		env = env.Clone()
		env.Control = nil
		return inner(env, start)
	})
}

func TestFromHandler_WriterIsOverWithTheHandler(t *testing.T) {
	var w http.ResponseWriter
	serve(t, request("", "GET", "/"), throughApp(func(rw http.ResponseWriter, r *http.Request) { w = rw }))
	_, err := w.Write([]byte("late"))
	assert.ErrorIs(t, err, ErrHandlerReturned)
	assert.ErrorIs(t, http.NewResponseController(w).SetWriteDeadline(time.Now()), ErrHandlerReturned)
}

func TestFromHandler_ResponseThatIsCutEndsInAnError(t *testing.T) {
	captureLog(t)
	a := FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "short")
	}))
	var errs []error
	for _, err := range a(NewEnv(httptest.NewRequest("GET", "/", nil)), func(string, []Pair, error) io.Writer { return lender{io.Discard} }) {
		errs = append(errs, err)
	}
	assert.Equal(t, []error{http.ErrAbortHandler}, errs, "so that middleware can tell")
}

func TestFromHandler_AnAppIsItself(t *testing.T) {
	a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("204 No Content", nil, nil)
		return nil
	})
	started := 0
	start := func(string, []Pair, error) io.Writer { started++; return nil }
	FromHandler(a)(NewEnv(httptest.NewRequest("GET", "/", nil)), start)
	assert.Equal(t, 1, started, "called at once, not when the sequence runs")
}

func TestFromHandler_EnvironOfNobodyIsAnError(t *testing.T) {
	a := FromHandler(http.NotFoundHandler())
	for _, err := range a(&Env{}, nil) {
		assert.ErrorContains(t, err, "NewEnv")
	}
}

func TestApp_UnderStripPrefixSeesTheShiftedPath(t *testing.T) {
	a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return Blocks([]byte(env.Vars["SCRIPT_NAME"] + " " + env.Vars["PATH_INFO"]))
	})
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", a))
	mux.HandleFunc("/rewritten", func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/other"
		a.ServeHTTP(w, r)
	})
	assert.Equal(t, "/api /x", string(serve(t, request("", "GET", "/api/x"), mux.ServeHTTP).Body))
	assert.Equal(t, "/api /", string(serve(t, request("", "GET", "/api/"), mux.ServeHTTP).Body))
	assert.Equal(t, " /other", string(serve(t, request("", "GET", "/rewritten"), mux.ServeHTTP).Body))
}
