// Command app is the demo application that every server example loads. Built
// with -buildmode=c-shared it is a Pillion library with two applications,
// "demo" and "hello"; run as a program it serves the same on its own.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	_ "pillion/capi"
	"pillion/host"
)

func init() {
	d := newDemo()
	host.Handle("demo", d)
	host.Handle("hello", http.HandlerFunc(hello))
	host.OnStart(d.start)
	host.OnStop(d.stop)
}

func main() { host.Main() }

// demo is the application: an http.Handler like any other. It knows nothing of
// the server it runs in.
type demo struct {
	mux      http.Handler
	started  time.Time
	requests atomic.Int64
	notes    notes
}

func newDemo() *demo {
	d := &demo{started: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", d.page)
	mux.HandleFunc("GET /assets/{name}", asset)
	mux.HandleFunc("POST /notes", d.addNoteByForm)
	mux.HandleFunc("POST /notes/{id}/delete", d.deleteNoteByForm)
	mux.HandleFunc("GET /api/notes", d.listNotes)
	mux.HandleFunc("POST /api/notes", d.addNote)
	mux.HandleFunc("DELETE /api/notes/{id}", d.deleteNote)
	mux.HandleFunc("GET /clock", d.clock)
	mux.HandleFunc("GET /download", download)
	mux.HandleFunc("PUT /upload", upload)
	mux.HandleFunc("POST /upload", upload)
	mux.HandleFunc("/debug/environ", d.environ)
	d.mux = http.NewCrossOriginProtection().Handler(mux)
	return d
}

func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.requests.Add(1)
	w.Header().Set("Content-Security-Policy", "default-src 'self'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path == "" { // mounted at a prefix, and asked for without its slash
		r = r.Clone(r.Context())
		r.URL.Path = "/"
	}
	d.mux.ServeHTTP(w, r)
}

func (d *demo) start(ctx context.Context) error {
	slog.InfoContext(ctx, "demo started", "pid", os.Getpid(), "go", runtime.Version())
	return nil
}

func (d *demo) stop(ctx context.Context) error {
	slog.InfoContext(ctx, "demo stopped", "requests", d.requests.Load(),
		"uptime", time.Since(d.started).Round(time.Second))
	return nil
}
