// What the client sees of an application that has failed.

package middleware

import (
	"bufio"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"pillion/host"
)

// ErrorPage returns middleware that answers with a page of its own when the
// application panics, or its sequence ends with an error, and the head has not
// been sent; afterwards the response is broken off. A panic is logged with its
// stack. For development the page shows the error, the stack with the lines of
// the source, and the environ with all the client's secrets; otherwise it is a
// plain 500 that tells nothing. http.ErrAbortHandler passes.
func ErrorPage(development bool) host.Middleware {
	return func(app host.App) host.App {
		return within(func(env *host.Env, start host.StartResponse, yield func([]byte, error) bool) {
			// A panic of the loop that runs this sequence is not the application's.
			yielding := false
			defer func() {
				if yielding {
					return
				}
				reason := recover()
				if reason == nil {
					return
				}
				if reason == http.ErrAbortHandler {
					panic(reason)
				}
				frames := callers()
				slog.ErrorContext(env.Context(), fmt.Sprintf("PILLION-1401: panic: %v\n%s", reason, debug.Stack()))
				failure := failure{fmt.Errorf("panic: %v", reason), frames}
				failure.answer(env, start, yield, development)
			}()
			each(app(env, start), func(block []byte, err error) bool {
				if err != nil && !errors.Is(err, http.ErrAbortHandler) && env.Context().Err() == nil {
					slog.ErrorContext(env.Context(), "PILLION-1402: the application failed: "+err.Error())
					failure := failure{err, nil}
					yielding = true
					failure.answer(env, start, yield, development)
					yielding = false
					return false
				}
				yielding = true
				more := yield(block, err)
				yielding = false
				return more
			})
		})
	}
}

// failure is what went wrong.
type failure struct {
	err    error
	frames []frame
}

func (f *failure) answer(env *host.Env, start host.StartResponse, yield func([]byte, error) bool, development bool) {
	kind, page := "text/plain; charset=utf-8", "Internal Server Error\n"
	if development {
		kind, page = f.page(env)
	}
	start("500 Internal Server Error", []host.Pair{
		{Name: "Content-Type", Value: kind},
		{Name: "Cache-Control", Value: "no-store"},
	}, f.err)
	yield([]byte(page), nil) // goes nowhere if the head has been sent: then the response is broken off
}

// page is the page for development: HTML for a browser, text for anything else.
func (f *failure) page(env *host.Env) (kind, page string) {
	var b strings.Builder
	vars := make([]host.Pair, 0, len(env.Vars))
	for _, name := range slices.Sorted(maps.Keys(env.Vars)) {
		vars = append(vars, host.Pair{Name: name, Value: env.Vars[name]})
	}
	if strings.Contains(env.Header.Get("Accept"), "text/html") {
		errorTemplate.Execute(&b, map[string]any{"Error": f.err.Error(), "Frames": f.frames, "Environ": vars})
		return "text/html; charset=utf-8", b.String()
	}
	fmt.Fprintf(&b, "%v\n", f.err)
	for _, at := range f.frames {
		fmt.Fprintf(&b, "\n%s\n    %s:%d\n", at.Function, at.File, at.Line)
		for _, l := range at.Source {
			mark := " "
			if l.Number == at.Line {
				mark = ">"
			}
			fmt.Fprintf(&b, "  %s %4d  %s\n", mark, l.Number, l.Text)
		}
	}
	b.WriteString("\n")
	for _, v := range vars {
		fmt.Fprintf(&b, "%s=%q\n", v.Name, v.Value)
	}
	return "text/plain; charset=utf-8", b.String()
}

// frame is a call on the stack, with the source around it where it can be read.
type frame struct {
	Function, File string
	Line           int
	Source         []sourceLine
}

type sourceLine struct {
	Number int
	Text   string
}

const (
	maxFrames = 32
	around    = 3 // lines of source before and after
)

// callers are the frames of a panic, from the one that panicked outwards.
func callers() (list []frame) {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicked := false
	for more := true; more && len(list) < maxFrames; {
		var f runtime.Frame
		f, more = frames.Next()
		if panicked && !strings.HasPrefix(f.Function, "runtime.") {
			list = append(list, frame{f.Function, f.File, f.Line, source(f.File, f.Line)})
		}
		panicked = panicked || f.Function == "runtime.gopanic"
	}
	return list
}

// source reads the lines of a file around one, nil if it is not there.
func source(file string, line int) (lines []sourceLine) {
	in, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer in.Close()
	r := bufio.NewReader(in)
	for n := 1; n <= line+around; n++ {
		text, err := r.ReadString('\n')
		if err != nil && (err != io.EOF || text == "") {
			break
		}
		if n >= line-around {
			lines = append(lines, sourceLine{n, strings.TrimRight(text, "\n")})
		}
	}
	return lines
}

var errorTemplate = template.Must(template.New("error").Parse(`<!doctype html>
<meta charset="utf-8">
<title>{{.Error}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.3rem; color: #b00; overflow-wrap: anywhere }
pre { background: #f4f4f4; padding: .5rem; overflow-x: auto; font-size: .85rem; line-height: 1.4 }
mark { display: block; background: #fdd }
td { vertical-align: top; font-family: monospace; font-size: .85rem; overflow-wrap: anywhere; padding: 0 1rem .2rem 0 }
</style>
<h1>{{.Error}}</h1>
{{range $f := .Frames}}<p><b>{{.Function}}</b><br>{{.File}}:{{.Line}}</p>
{{if .Source}}<pre>{{range .Source}}{{if eq .Number $f.Line}}<mark>{{printf "%4d" .Number}}  {{.Text}}</mark>{{else}}{{printf "%4d" .Number}}  {{.Text}}
{{end}}{{end}}</pre>
{{end}}{{end}}<h2>Environ</h2>
<table>{{range .Environ}}<tr><td>{{.Name}}<td>{{.Value}}
{{end}}</table>
`))
