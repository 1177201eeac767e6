package host_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pillion/host"
)

func ExampleHandle() {
	host.Handle("greeter", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.URL.Query().Get("name"))
	}))

	// A server does this; here the request is one in memory.
	m := &host.Memory{Request: host.Message{
		App:     "greeter",
		Environ: []host.Pair{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "REQUEST_URI", Value: "/?name=world"}, {Name: "SERVER_NAME", Value: "localhost"}},
	}}
	host.Serve(m)
	fmt.Println(m.Status, string(m.Body), m.End == host.Complete)
	for _, h := range m.Headers {
		fmt.Println(h.Name+":", h.Value)
	}
	// Output:
	// 200 hello, world true
	// Content-Length: 12
	// Content-Type: text/plain; charset=utf-8
}

func ExampleEnviron() {
	host.HandleFunc("where", func(w http.ResponseWriter, r *http.Request) {
		for _, v := range host.Environ(r) {
			if v.Name == "SCRIPT_NAME" || v.Name == "APP_ENV" {
				fmt.Fprintf(w, "%s=%s ", v.Name, v.Value)
			}
		}
		fmt.Fprint(w, r.URL.Path)
	})
	m := &host.Memory{Request: host.Message{
		App: "where",
		Environ: []host.Pair{
			{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "REQUEST_URI", Value: "/api/users"}, {Name: "SERVER_NAME", Value: "localhost"},
			{Name: "SCRIPT_NAME", Value: "/api"}, {Name: "PATH_INFO", Value: "/users"}, {Name: "APP_ENV", Value: "production"},
		},
	}}
	host.Serve(m)
	fmt.Println(string(m.Body))
	// Output: SCRIPT_NAME=/api APP_ENV=production /users
}

func ExampleMemory_Cancel() {
	host.HandleFunc("patient", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		fmt.Println(context.Cause(r.Context()))
	})
	m := &host.Memory{Request: host.Message{
		App:     "patient",
		Environ: []host.Pair{{Name: "REQUEST_METHOD", Value: "GET"}, {Name: "SERVER_NAME", Value: "localhost"}},
	}}
	m.Cancel(errors.New("the client has left"))
	host.Serve(m)
	// Output: the client has left
}
