// What any two servers may differ in: the suite looks past it, by these rules
// and no others.

package test

import (
	"net/http"
	"strings"
	"time"

	"pillion/test/conform"
)

// rule is something that is the server's own affair. It is applied to both
// outcomes.
type rule struct {
	what, why string
	apply     func(o *conform.Outcome)
}

var rules = []rule{
	{
		"`Date`, if it is the time of the response", "every server dates its responses itself, also those whose handler asked for none",
		eachResponse(func(r *conform.Response) {
			if d, err := http.ParseTime(r.Header.Get("Date")); err == nil && time.Since(d).Abs() < 5*time.Minute {
				r.Header.Del("Date")
			}
		}),
	},
	{
		"`Server`, if it is the server's", "it names itself; `net/http` does not",
		eachResponse(func(r *conform.Response) {
			if name, _, _ := strings.Cut(r.Header.Get("Server"), "/"); name == "nginx" || name == "Apache" {
				r.Header.Del("Server")
			}
		}),
	},
	{
		"`Connection`, `Keep-Alive`, `Transfer-Encoding` and the reason phrase", "they are about one connection, which is the server's",
		eachResponse(func(r *conform.Response) {
			for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding"} {
				r.Header.Del(name)
			}
		}),
	},
	{
		"what a `Trailer` field announces", "HTTP/2 has no use for it; the trailers that come are compared",
		eachResponse(func(r *conform.Response) {
			r.Header.Del("Trailer")
			for name, values := range r.Trailer {
				if len(values) == 0 {
					delete(r.Trailer, name)
				}
			}
		}),
	},
	{
		"which 4xx or 5xx refuses a request that no handler is called for, and its page", "a server refuses what is malformed in its own words",
		func(o *conform.Outcome) {
			for i, r := range o.Responses {
				if o.Called == 0 && r.Status >= 400 {
					o.Responses[i] = conform.Response{Status: http.StatusBadRequest}
					o.End = conform.Closed
				}
			}
		},
	},
	{
		"what the client gets of a response that breaks off before its head has left",
		"`net/http` closes the connection without a word; a gateway answers 500 with its own page, as its operators expect",
		func(o *conform.Outcome) {
			unanswered := o.End == conform.Closed || o.End == conform.Alive
			heads := 0
			for i, r := range o.Responses {
				if isServersPage(r) {
					o.Responses[i] = conform.Response{Status: r.Status / 100 * 100}
					o.End = conform.Closed
				}
				if r.Status != 0 {
					heads++
				}
			}
			if unanswered && o.Called == 1 && heads == 0 {
				o.Responses = []conform.Response{{Status: http.StatusInternalServerError}}
				o.End = conform.Closed
			}
		},
	},
	{
		"how much more than its first 1000 bytes arrives of a response that breaks off", "that is chance",
		eachResponse(func(r *conform.Response) {
			if r.Cut {
				r.Body = r.Body[:min(len(r.Body), 1000)]
			}
		}),
	},
	{
		"the boundary of `multipart/byteranges`", "it is random",
		eachResponse(func(r *conform.Response) {
			if _, boundary, ok := strings.Cut(r.Header.Get("Content-Type"), "byteranges; boundary="); ok {
				r.Header.Set("Content-Type", "multipart/byteranges; boundary=")
				r.Body = strings.ReplaceAll(r.Body, boundary, "")
			}
		}),
	},
}

// isServersPage reports whether a response is the server's own error page: 500,
// or 4xx from Apache.
func isServersPage(r conform.Response) bool {
	switch r.Header.Get("Content-Type") {
	case "text/html; charset=iso-8859-1":
		return r.Status >= 400
	case "text/html":
		return r.Status == http.StatusInternalServerError
	}
	return false
}

func eachResponse(apply func(r *conform.Response)) func(o *conform.Outcome) {
	return func(o *conform.Outcome) {
		for i := range o.Responses {
			apply(&o.Responses[i])
		}
	}
}

// normalise applies the rules, and what the row says of its body.
func normalise(row *conform.Row, o conform.Outcome) conform.Outcome {
	for _, r := range rules {
		r.apply(&o)
	}
	if row.Compare != nil {
		for i := range o.Responses {
			o.Responses[i].Body = row.Compare(o.Responses[i].Body)
			o.Responses[i].Header.Del("Content-Length")
		}
	}
	return o
}
