// Response trailers.

package conform

import (
	"net/http"
)

var trailerRows = withHeads(
	does("trailer: declared", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A, x-b")
		w.Header().Add("Trailer", "X-C")
		write(w, 3)
		set(w, "X-A", "1")
		set(w, "X-C", "3")
		set(w, "X-B", "2")
	}),
	does("trailer: declared and not set", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A, X-B")
		write(w, 3)
		set(w, "X-A", "1")
	}),
	does("trailer: set before the body", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		set(w, "X-A", "early")
		write(w, 3)
	}),
	does("trailer: repeated values", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		write(w, 3)
		w.Header()["X-A"] = []string{"2", "1"}
	}),
	does("trailer: by prefix", func(w http.ResponseWriter, r *http.Request, run *Run) {
		flush(w)
		write(w, 3)
		set(w, http.TrailerPrefix+"X-A", "1")
		set(w, http.TrailerPrefix+"X-B", "2")
	}),
	does("trailer: by prefix, nothing flushed", func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 3)
		set(w, http.TrailerPrefix+"X-A", "1")
	}),
	does("trailer: by prefix, set before the body", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, http.TrailerPrefix+"X-A", "1")
		write(w, 3)
	}),
	does("trailer: declared and by prefix", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		write(w, 3)
		set(w, "X-A", "1")
		set(w, http.TrailerPrefix+"X-B", "2")
	}),
	does("trailer: without a body", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		w.WriteHeader(200)
		set(w, "X-A", "1")
	}),
	does("trailer: of a large body", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		write(w, 100000)
		set(w, "X-A", "1")
	}),
	does("trailer: with a length", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		set(w, "Content-Length", "3")
		write(w, 3)
		set(w, "X-A", "1")
	}),
	does("trailer: one that may not be", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "Authorization, X-A")
		write(w, 3)
		set(w, "X-A", "1")
		set(w, "Authorization", "late")
	}),
	does("trailer: bad value", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A, X-B")
		write(w, 3)
		set(w, "X-A", "1\r\nX-Smuggled: 1")
		set(w, "X-B", "2")
	}),
	does("trailer: of a 204", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		w.WriteHeader(204)
		set(w, "X-A", "1")
	}),
	does("trailer: of a 404 after a status", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Trailer", "X-A")
		w.WriteHeader(404)
		write(w, 3)
		set(w, "X-A", "1")
	}),
)
