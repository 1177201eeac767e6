// /debug/environ: the request as the server handed it over and as Go sees it.

package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"pillion/host"
)

func (d *demo) environ(w http.ResponseWriter, r *http.Request) {
	request := section{Title: "Request", Rows: []row{
		{"request line", r.Method + " " + r.RequestURI + " " + r.Proto},
		{"Host", r.Host},
		{"URL.Path", r.URL.Path},
		{"URL.RawQuery", r.URL.RawQuery},
		{"RemoteAddr", r.RemoteAddr},
		{"ContentLength", fmt.Sprint(r.ContentLength)},
		{"TLS", fmt.Sprint(r.TLS != nil)},
		{"mounted at", mount(r) + "/"},
	}}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		request.Rows = append(request.Rows, row{"local address", addr.String()})
	}

	headers := section{Title: "Headers"}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			headers.Rows = append(headers.Rows, row{name, value})
		}
	}

	environ := section{Title: "CGI environ"}
	for _, v := range host.Environ(r) {
		environ.Rows = append(environ.Rows, row{v.Name, v.Value})
	}

	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	limit := "none"
	if n := debug.SetMemoryLimit(-1); n < 1<<62 {
		limit = fmt.Sprintf("%d MiB", n>>20)
	}
	process := section{Title: "Process", Rows: []row{
		{"server", cmp.Or(serverName(r), "none, stand-alone")},
		{"pid", fmt.Sprint(os.Getpid())},
		{"go", runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
		{"GOMAXPROCS", fmt.Sprintf("%d of %d CPUs", runtime.GOMAXPROCS(0), runtime.NumCPU())},
		{"goroutines", fmt.Sprint(runtime.NumGoroutine())},
		{"heap", fmt.Sprintf("%.1f MiB", float64(mem.HeapAlloc)/(1<<20))},
		{"memory limit", limit},
		{"uptime", time.Since(d.started).Round(time.Second).String()},
		{"requests", fmt.Sprint(d.requests.Load())},
	}}
	writeFacts(w, r, "Environ", []section{request, headers, environ, process})
}

// serverName is the server the application rides in, "" if it runs on its own.
func serverName(r *http.Request) string {
	name := variable(r, "SERVER_SOFTWARE")
	if name == "pillion" { // host.Main
		return ""
	}
	return name
}

// variable is a CGI variable of the request, "" if it is not there.
func variable(r *http.Request, name string) string {
	for _, v := range host.Environ(r) {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}
