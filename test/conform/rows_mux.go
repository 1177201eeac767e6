// http.ServeMux, and the handlers of net/http that wrap others.

package conform

import (
	"encoding/json"
	"expvar"
	"io"
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"
)

// patterns are the patterns of the mux rows; each answers with itself and its
// path values.
var patterns = func() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, names := range map[string][]string{
		"/plain":                   nil,
		"/tree/":                   nil,
		"/tree/deeper/":            nil,
		"GET /read":                nil,
		"POST /write":              nil,
		"/users/{id}":              {"id"},
		"/users/{id}/posts":        {"id"},
		"/users/me":                nil,
		"/files/{path...}":         {"path"},
		"/exact/{$}":               nil,
		"host.example/plain":       nil,
		"DELETE /users/{id}/posts": {"id"},
		"/a/{one}/b/{two}":         {"one", "two"},
		"GET /a/{one}/b/last":      {"one"},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			set(w, "X-Pattern", r.Pattern)
			for _, name := range names {
				w.Header().Add("X-Value", name+"="+r.PathValue(name))
			}
			io.WriteString(w, r.Pattern)
		})
	}
	return mux
}()

func routes(line string, fields ...string) Row {
	name := line
	for _, f := range fields {
		name += ", " + f
	}
	return Row{Name: "mux: " + strings.TrimSuffix(name, " HTTP/1.1"), Request: ask(line, fields...), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		patterns.ServeHTTP(w, r)
	}}
}

var muxRows = []Row{
	routes("GET /plain HTTP/1.1"),
	routes("GET /plain HTTP/1.1", "Host: host.example"),
	routes("GET /plain HTTP/1.1", "Host: host.example:8080"),
	routes("GET /plain/ HTTP/1.1"),
	routes("GET /none HTTP/1.1"),
	routes("GET /tree HTTP/1.1"),
	routes("POST /tree?q=1 HTTP/1.1"),
	routes("GET /tree/x/y HTTP/1.1"),
	routes("GET /tree/deeper/x HTTP/1.1"),
	routes("GET /tree//x HTTP/1.1"),
	routes("GET /tree/../plain HTTP/1.1"),
	routes("GET /tree/./x?q=1 HTTP/1.1"),
	routes("HEAD /read HTTP/1.1"),
	routes("POST /read HTTP/1.1"),
	routes("GET /write HTTP/1.1"),
	routes("OPTIONS /read HTTP/1.1"),
	routes("GET /users/7 HTTP/1.1"),
	routes("GET /users/me HTTP/1.1"),
	routes("GET /users/a%2Fb HTTP/1.1"),
	routes("GET /users/a%20b/posts HTTP/1.1"),
	routes("GET /users/ HTTP/1.1"),
	routes("DELETE /users/7/posts HTTP/1.1"),
	routes("GET /files/ HTTP/1.1"),
	routes("GET /files/a/b%2Fc/%C3%A4 HTTP/1.1"),
	routes("GET /exact/ HTTP/1.1"),
	routes("GET /exact/x HTTP/1.1"),
	routes("GET /a/1/b/2 HTTP/1.1"),
	routes("GET /a/1/b/last HTTP/1.1"),
	one(syntax, routes("GET http://host.example/plain HTTP/1.1")),
	one(syntax, routes("CONNECT /plain HTTP/1.1")),
	one(syntax, routes("OPTIONS * HTTP/1.1")),
}

// wraps is a row about a handler of net/http around one that notes its URL.
func wraps(name, request string, wrap func(h http.Handler) http.Handler) Row {
	return Row{Name: "wrapper: " + name, Request: request, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			run.Note("url", r.URL.Path, r.URL.RawPath, r.RequestURI)
			set(w, "X-A", "1")
			write(w, 100)
		})).ServeHTTP(w, r)
	}}
}

var wrapperRows = []Row{
	wraps("StripPrefix", ask("GET /a/b HTTP/1.1"), func(h http.Handler) http.Handler { return http.StripPrefix("/a", h) }),
	wraps("StripPrefix, escaped", ask("GET /a/b%2Fc HTTP/1.1"), func(h http.Handler) http.Handler { return http.StripPrefix("/a", h) }),
	wraps("StripPrefix, another path", ask("GET /b HTTP/1.1"), func(h http.Handler) http.Handler { return http.StripPrefix("/a", h) }),
	wraps("TimeoutHandler, in time", get, func(h http.Handler) http.Handler { return http.TimeoutHandler(h, patience, "late") }),
	wraps("AllowQuerySemicolons", ask("GET /?a=1;b=2 HTTP/1.1"), http.AllowQuerySemicolons),
	wraps("MaxBytesHandler", get, func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 10) }),
	wraps("CrossOriginProtection", ask("POST / HTTP/1.1", "Sec-Fetch-Site: cross-site", "Content-Length: 0"), func(h http.Handler) http.Handler {
		return http.NewCrossOriginProtection().Handler(h)
	}),
	does("wrapper: TimeoutHandler, late", func(w http.ResponseWriter, r *http.Request, run *Run) {
		done := make(chan bool)
		http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			set(w, "X-A", "1")
			write(w, 10)
			<-r.Context().Done()
			run.Note("context", r.Context().Err())
			var err error
			for end := time.Now().Add(patience); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
				_, err = write(w, 10) // until the handler around it has answered
			}
			run.Note("write", err)
		}), 10*time.Millisecond, "late").ServeHTTP(w, r)
		<-done
	}),
	does("wrapper: TimeoutHandler, a panic", func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			panic(http.ErrAbortHandler)
		}), patience, "late").ServeHTTP(w, r)
	}),
	does("wrapper: NotFoundHandler", func(w http.ResponseWriter, r *http.Request, run *Run) { http.NotFoundHandler().ServeHTTP(w, r) }),
	does("wrapper: RedirectHandler", func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.RedirectHandler("/next", http.StatusFound).ServeHTTP(w, r)
	}),

	{Name: "expvar: all variables", Compare: keysOf, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		expvar.Handler().ServeHTTP(w, r)
	}},
	{Name: "pprof: index", Request: ask("GET /debug/pprof/ HTTP/1.1"), Compare: hasGoroutines, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Index(w, r)
	}},
	{Name: "pprof: goroutines in words", Request: ask("GET /debug/pprof/goroutine?debug=2 HTTP/1.1"), Compare: hasGoroutines, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Index(w, r)
	}},
	{Name: "pprof: heap", Request: ask("GET /debug/pprof/heap HTTP/1.1"), Compare: isGzip, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Index(w, r)
	}},
	{Name: "pprof: unknown profile", Request: ask("GET /debug/pprof/none HTTP/1.1"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Index(w, r)
	}},
	{Name: "pprof: command line", Request: ask("GET /debug/pprof/cmdline HTTP/1.1"), Compare: func(string) string { return "" }, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Cmdline(w, r)
	}},
	{Name: "pprof: symbols", Request: ask("POST /debug/pprof/symbol HTTP/1.1", "Content-Length: 3") + "0x1", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Symbol(w, r)
	}},
	{Name: "pprof: trace", Request: ask("GET /debug/pprof/trace?seconds=0.01 HTTP/1.1"), Compare: func(body string) string { return body[:min(7, len(body))] }, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		pprof.Trace(w, r)
	}},
}

// What of a body is compared.
func keysOf(body string) string {
	var variables map[string]any
	if err := json.Unmarshal([]byte(body), &variables); err != nil {
		return err.Error()
	}
	return strings.Join(slices.Sorted(maps.Keys(variables)), " ")
}

func hasGoroutines(body string) string {
	if strings.Contains(body, "goroutine") {
		return "tells of goroutines"
	}
	return body
}

func isGzip(body string) string {
	if strings.HasPrefix(body, "\x1f\x8b") {
		return "gzip"
	}
	return body
}
