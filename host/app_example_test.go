package host_test

import (
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"pillion/host"
)

// show asks an application for a target and prints what comes.
func show(app http.Handler, target string) {
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	fmt.Print(w.Body.String())
}

var text = []host.Pair{{Name: "Content-Type", Value: "text/plain"}}

// The application that every WSGI tutorial begins with.
func ExampleApp() {
	app := host.App(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", text, nil)
		return host.Blocks([]byte("Hello, " + env.Vars["PATH_INFO"] + "\n"))
	})

	host.HandleApp("tutorial", app) // for the servers
	show(app, "/world")             // and it is an http.Handler
	// Output:
	// 200 text/plain
	// Hello, /world
}

// A generator: each block is sent before the next is made, and the deferred call
// runs whatever becomes of the response.
func ExampleApp_generator() {
	app := host.App(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", text, nil)
		return func(yield func([]byte, error) bool) {
			defer fmt.Fprintln(os.Stdout, "closed")
			for i := range 3 {
				if !yield(fmt.Appendf(nil, "line %d\n", i), nil) {
					return // the client has left
				}
			}
		}
	})
	show(app, "/")
	// Output:
	// closed
	// 200 text/plain
	// line 0
	// line 1
	// line 2
}

// The write function.
func ExampleStartResponse() {
	app := host.App(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		w := start("200 OK", text, nil)
		fmt.Fprintf(w, "%s of %s\n", env.Vars["REQUEST_METHOD"], env.Vars["PATH_INFO"])
		return nil
	})
	show(app, "/page")
	// Output:
	// 200 text/plain
	// GET of /page
}

// What exc_info is for: another head, as long as the first has not been sent.
func ExampleStartResponse_error() {
	app := host.App(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", text, nil)
		if _, err := os.Open("/no/such/file"); err != nil {
			start("404 Not Found", text, err)
			return host.Blocks([]byte("not here\n"))
		}
		return nil
	})
	show(app, "/")
	// Output:
	// 404 text/plain
	// not here
}

// A middleware is a function from App to App.
func ExampleChain() {
	shout := func(app host.App) host.App {
		return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			env = env.Clone()
			env.Vars["PATH_INFO"] = strings.ToUpper(env.Vars["PATH_INFO"])
			return app(env, start)
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path+"\n") })
	show(host.Chain(host.FromHandler(handler), shout), "/quiet")
	// Output:
	// 200 text/plain; charset=utf-8
	// /QUIET
}

// The file wrapper.
func ExampleFileWrapper() {
	app := host.App(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		f, err := os.Open("testdata/events/unknown.json")
		if err != nil {
			return host.Fail(err)
		}
		return host.FileWrapper(start("200 OK", []host.Pair{{Name: "Content-Type", Value: "application/json"}}, nil), f)
	})
	show(app, "/")
	// Output:
	// 200 application/json
	// {"Records": [{"eventSource": "aws:sqs", "body": "not a request"}]}
}

// The environ in the test of an application, without a server.
func ExampleNewEnv() {
	env := host.NewEnv(httptest.NewRequest("POST", "https://example.org/a%2Fb?q=1", strings.NewReader("body")))
	fmt.Println(env.URLScheme, env.Vars["SERVER_NAME"], env.Vars["SERVER_PORT"], env.Vars["PATH_INFO"], env.Vars["QUERY_STRING"], env.Vars["CONTENT_LENGTH"])
	// Output: https example.org 443 /a/b q=1 4
}
