// The pages: templates and assets, embedded.

package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

//go:embed assets
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "assets/*.html"))

func asset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, assets, "assets/"+r.PathValue("name"))
}

func (d *demo) page(w http.ResponseWriter, r *http.Request) {
	render(w, r, "page.html", map[string]any{
		"Base":       mount(r) + "/",
		"Server":     serverName(r),
		"Time":       time.Now().Format(time.TimeOnly),
		"Requests":   d.requests.Load(),
		"Goroutines": runtime.NumGoroutine(),
		"Go":         strings.TrimPrefix(runtime.Version(), "go"),
		"PID":        os.Getpid(),
		"Uptime":     time.Since(d.started).Round(time.Second),
		"Notes":      d.notes.all(),
		"MaxNote":    maxNote,
	})
}

// mount is the prefix under which the client sees this application, escaped
// and without a final slash.
func mount(r *http.Request) string {
	return (&url.URL{Path: variable(r, "SCRIPT_NAME")}).EscapedPath()
}

func wantsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// section is a titled table of names and values.
type section struct {
	Title string
	Rows  []row
}

type row struct{ Name, Value string }

// writeFacts shows sections to a browser as a page, to anything else as text.
func writeFacts(w http.ResponseWriter, r *http.Request, title string, sections []section) {
	if wantsHTML(r) {
		render(w, r, "facts.html", map[string]any{
			"Base": mount(r) + "/", "Title": title, "Sections": sections,
		})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range sections {
		if i > 0 {
			io.WriteString(text, "\n")
		}
		fmt.Fprintf(text, "[%s]\n", s.Title)
		for _, f := range s.Rows {
			fmt.Fprintf(text, "%s\t%s\n", f.Name, f.Value)
		}
		text.Flush()
	}
}

func render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		slog.ErrorContext(r.Context(), "page", "name", name, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	b.WriteTo(w)
}
