// What a handler sees of a request, for the rows about requests.

package conform

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// notesFacts notes all there is in a request.
func notesFacts(w http.ResponseWriter, r *http.Request, run *Run) {
	run.Note("line", r.Method, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor)
	u := r.URL
	run.Note("url", u.String(), u.Scheme, u.Opaque, u.Host, u.Path, u.RawPath, u.RawQuery, u.ForceQuery, u.Fragment)
	run.Note("host", r.Host)
	run.Note("close", r.Close)
	run.Note("length", r.ContentLength, r.TransferEncoding, r.Body == http.NoBody)
	notesHeader(run, "header", r.Header)
	if r.Trailer != nil {
		notesHeader(run, "announced", r.Trailer)
	}
	if _, _, err := net.SplitHostPort(r.RemoteAddr); err != nil || !strings.HasPrefix(r.RemoteAddr, "127.0.0.1:") {
		run.Note("remote address", r.RemoteAddr)
	}
	run.Note("tls", r.TLS != nil)
	body, err := io.ReadAll(r.Body)
	run.Note("body", string(body), err)
	if r.Trailer != nil {
		notesHeader(run, "trailer", r.Trailer)
	}
}

func notesHeader(run *Run, what string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		run.Note(what+" "+name+":", fmt.Sprintf("%q", h[name]))
	}
}

// seen is a row about what a handler sees of a request, the head of which ask
// makes.
func seen(name, line string, fields ...string) Row {
	return Row{Name: name, Request: ask(line, fields...), Handler: notesFacts}
}

// seenBody is seen with a body.
func seenBody(name, body, line string, fields ...string) Row {
	row := seen(name, line, fields...)
	row.Request += body
	return row
}

// one makes a row for HTTP/1 only.
func one(why string, row Row) Row {
	row.OneOnly = why
	return row
}

// does is a row about what a handler does with a GET of /.
func does(name string, handler func(w http.ResponseWriter, r *http.Request, run *Run)) Row {
	return Row{Name: name, Handler: handler}
}

// head is the same with HEAD, under the name of that row.
func (row Row) head() Row {
	row.Name += ", HEAD"
	row.Request = ask("HEAD / HTTP/1.1")
	return row
}

// withHeads adds to each row the same with HEAD.
func withHeads(rows ...Row) (all []Row) {
	for _, row := range rows {
		all = append(all, row, row.head())
	}
	return all
}

func write(w io.Writer, n int) (int, error) { return io.WriteString(w, strings.Repeat("x", n)) }

func flush(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }
