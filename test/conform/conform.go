// Package conform holds the rows of the conformance suite: handlers that do
// everything net/http lets a handler do, and the requests that go with them. A
// row runs against net/http's own server and against a host, and whatever the
// client or the handler could tell apart is in its Outcome.
package conform

import (
	"net/http"
	"slices"
	"strings"
)

// App is the name of the application that all rows' handlers are behind.
const App = "conform"

// Row is a handler with the request it gets.
type Row struct {
	Name string

	// Request is what is sent, one request or several, see Client.Send. It is
	// a GET of / if it is empty.
	Request string

	// Methods of the responses that are read; one of GET if it is empty.
	Methods []string

	// Talk is the client's side, if it does more than send Request and read
	// the responses.
	Talk func(c *Client)

	// Handler is called for every request.
	Handler func(w http.ResponseWriter, r *http.Request, run *Run)

	// Compare is what of a body is compared, if it is not the same each time.
	Compare func(body string) string

	// OneOnly says why the row is for HTTP/1 only, if it is.
	OneOnly string
}

// Why a row is for HTTP/1 only.
const (
	syntax  = "it is about the syntax of HTTP/1 messages"
	framing = "it is about framing or connection fields, which HTTP/2 does not have"
	version = "it is about HTTP/1.0"
	byHand  = "its client works by hand on the connection"
)

// Rows returns all rows.
func Rows() []Row {
	return slices.Concat(
		targetRows, fieldRows, bodyRows, connectionRows,
		headRows, lengthRows, sniffRows, streamRows, trailerRows, troubleRows,
		controlRows, contextRows, contentRows, muxRows, wrapperRows, proxyRows,
	)
}

var rows = map[string]*Row{}

func init() {
	for _, row := range Rows() {
		if rows[row.Name] != nil {
			panic("conform: two rows " + row.Name)
		}
		rows[row.Name] = &row
	}
}

// The fields that lead a request to its row and its Run.
const (
	rowField = "X-Row"
	keyField = "X-Key"
)

// Handler is the application. The row's handler gets the ResponseWriter and
// the request of the server itself, nothing wrapped.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, key := r.Header.Get(rowField), r.Header.Get(keyField)
		r.Header.Del(rowField)
		r.Header.Del(keyField)
		if verb, ok := strings.CutPrefix(name, "/"); ok {
			serveControl(w, r, verb, key)
			return
		}
		row := rows[name]
		if row == nil {
			http.Error(w, "conform: no row "+name, http.StatusNotImplemented)
			return
		}
		run := runOf(key)
		run.call()
		defer run.leave()
		row.Handler(w, r, run)
	})
}
