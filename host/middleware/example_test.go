package middleware_test

import (
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"

	"pillion/host"
	"pillion/host/middleware"
)

func hello(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
	start("200 OK", []host.Pair{{Name: "Content-Type", Value: "text/plain"}}, nil)
	return host.Blocks([]byte("hello from " + env.Vars["SCRIPT_NAME"] + "\n"))
}

// Several applications behind one, under the validator and with an error page.
func Example() {
	app := host.Chain(
		middleware.Router(map[string]host.App{
			"/hello": hello,
			"/files": host.FromHandler(http.FileServer(http.Dir("."))),
		}),
		middleware.ErrorPage(false),
		middleware.Validate(nil),
	)
	for _, path := range []string{"/hello/x", "/other"} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Print(w.Code, " ", w.Body.String())
	}
	// Output:
	// 200 hello from /hello
	// 404 404 page not found
}

// The validator names the rule that was broken.
func ExampleValidate() {
	app := middleware.Validate(func(v *middleware.Violation) { fmt.Println(v) })(
		func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", []host.Pair{{Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Length", Value: "10"}}, nil)
			return host.Blocks([]byte("too short"))
		})
	func() {
		defer func() { recover() }() // net/http would cut the connection here
		app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	// Output: validate: the application breaks the rule content-length: 9 bytes of a Content-Length of 10
}
