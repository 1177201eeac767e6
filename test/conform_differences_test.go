// The known differences from net/http, the one place where they are.
// docs/conformance.md has them as a table.

package test

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"pillion/test/conform"
)

// difference is what a host does otherwise than net/http.
type difference struct {
	what, why string
	hosts     []string // of the gateways
	rows      []string // path.Match patterns of their names

	// The host has to come to what net/http comes to with another row, if as
	// names one, and adjust changes.
	as     string
	adjust func(o *conform.Outcome)

	// either says that it depends on the moment whether there is a difference.
	either bool

	// skip says that the rows are not run: they would wait for the host's time
	// to run out, or come to something else each time.
	skip bool
}

var (
	inNginx  = []string{"nginx", "nginx-http2"}
	inNginx1 = []string{"nginx"}
	inNginx2 = []string{"nginx-http2"}
	inApache = []string{"apache"}
	inHTTP1  = []string{"nginx", "apache"}
	inAll    = []string{"nginx", "nginx-http2", "apache"}
)

var differences = []difference{
	{
		what: "Targets that leave the root by `..`, hold an escaped zero byte, are `*` or have a user or no slash: refused.",
		why:  "nginx refuses them itself.", hosts: inNginx,
		rows: []string{"target: dots above the root", "target: escaped dots above the root", "target: escaped zero byte",
			"site: above the root", "site: zero byte", "target: opaque", "target: star of *", "target: absolute form with a user",
			`mux: OPTIONS \*`},
		adjust: refused,
	},
	{
		what: "`CONNECT`, `TRACE` and methods in lower case or with anything but capitals, `-` and `_`: refused.",
		why:  "nginx refuses them itself.", hosts: inNginx1,
		rows: []string{"target: authority of CONNECT", "target: path of CONNECT", "mux: CONNECT /plain", "method: TRACE",
			"method: get in lower case", "method: own in lower case", "method: token of odd bytes"},
		adjust: refused,
	},
	{
		what: "An empty `Host`, one with two dots in a row, or with a tab before it: refused.",
		why:  "nginx refuses them itself.", hosts: inNginx1,
		rows:   []string{"host: empty", "host: two dots", "host: spaces around"},
		adjust: refused,
	},
	{
		what: "Both `Content-Length` and `Transfer-Encoding`, `Content-Length` twice, chunks in HTTP/1.0, folded header lines: refused.",
		why:  "nginx refuses them itself: they are what requests are smuggled with.", hosts: inNginx1,
		rows:   []string{"body: chunked and length", "body: length twice", "body: chunked in 1.0*", "field: folded"},
		adjust: refused,
	},
	{
		what: "The scheme and host of an absolute target that has a query and no path are not seen; `Host` is the field's.",
		why:  "nginx makes another target of it.", hosts: inNginx1,
		rows: []string{"target: absolute form without a path, but a query"},
		adjust: func(o *conform.Outcome) {
			o.Notes[0] = `line "GET" "/?a=b" "HTTP/1.1" 1 1`
			o.Notes[1] = `url "/?a=b" "" "" "" "/" "" "a=b" false ""`
			o.Notes[2] = `host "example.org"`
		},
	},
	{
		what: "The trailers of a request do not reach the handler.",
		why:  "nginx drops them.", hosts: inNginx1,
		rows: []string{"trailer: announced", "trailer: not announced", "trailer: repeated"},
		adjust: func(o *conform.Outcome) {
			for i, note := range o.Notes {
				if strings.HasPrefix(note, "trailer X-") {
					name, _, _ := strings.Cut(note, ":")
					o.Notes[i] = name + `: "[]"`
				}
			}
			if !strings.Contains(strings.Join(o.Notes, ""), "announced") {
				withoutNotes("trailer X-")(o)
			}
		},
	},
	{
		what: "Malformed chunks that come along with the head: refused, and no handler is called.",
		why:  "nginx has read them before. Those that come later are an error of the body's `Read`, as with `net/http`.", hosts: inNginx1,
		rows:   []string{"body: chunk size is no number", "body: chunk size is huge", "body: chunk longer than its size", "body: good chunk and a bad one"},
		adjust: refused,
	},
	{
		what: "An empty line or a second space in front of the target: accepted.",
		why:  "nginx is lenient there.", hosts: inNginx1,
		rows: []string{"line: empty line first", "line: two spaces"}, as: "target: plain",
	},
	{
		what: "Header names with a byte that is no letter, digit or `-`: the field does not reach the handler, where `net/http` passes it on or refuses the request.",
		why:  "nginx drops them; `underscores_in_headers on` or `ignore_invalid_headers off` lets them pass.", hosts: inNginx,
		rows:   []string{"field: underscore", "field: dot", "field: odd bytes"},
		adjust: withoutNotes("header X"),
	},
	{
		what: "The same for names that are no token at all, for which `net/http` refuses the request.",
		why:  "nginx drops them.", hosts: inNginx1,
		rows: []string{"field: no token", "field: high bytes in the name"}, as: "target: root",
	},
	{
		what: "A header line without a colon is a field without a value.",
		why:  "nginx is lenient there.", hosts: inNginx1,
		rows: []string{"field: no colon"}, as: "field: colon only",
	},
	{
		what: "A `Proxy` field does not reach the handler.",
		why:  "It would be `HTTP_PROXY` to a CGI program, and no client has a reason to send it.", hosts: inAll,
		rows:   []string{"field: Proxy"},
		adjust: withoutNotes("header Proxy"),
	},
	{
		what: "Informational responses do not reach the client.",
		why:  "nginx cannot send any before 1.29, and 103 only from then on.", hosts: inNginx,
		rows:   []string{"info: early hints", "info: processing*", "info: own*", "proxy: early hints", "connection: 1.0 and an informational head"},
		adjust: eachResponse(func(r *conform.Response) { r.Infos = nil }),
	},
	{
		what: "`Expect: 100-continue` without a body gets a 100.",
		why:  "nginx answers it when it is asked for the body, there or not.", hosts: inNginx1,
		rows: []string{"expect: no body"},
		adjust: eachResponse(func(r *conform.Response) {
			r.Infos = []conform.Info{{Status: http.StatusContinue, Header: http.Header{}}}
		}),
	},
	{
		what: "204 has no `Content-Type`.",
		why:  "The server removes it.", hosts: inAll,
		rows:   []string{"head: 204", "head: 204, HEAD"},
		adjust: withoutField("Content-Type"),
	},
	{
		what: "`X-Accel-Expires`, `X-Accel-Redirect` and their like do not reach the client.",
		why:  "They are for nginx: docs/nginx.md.", hosts: inNginx,
		rows:   []string{"head: X-Accel-Expires*"},
		adjust: withoutField("X-Accel-Expires"),
	},
	{
		what: "An empty `Content-Type` is not sent, of several only the last.",
		why:  "The server has room for one.", hosts: inAll,
		rows: []string{"type: own, empty*", "type: twice*"},
		adjust: eachResponse(func(r *conform.Response) {
			if last := r.Header["Content-Type"]; last[len(last)-1] != "" {
				r.Header["Content-Type"] = last[len(last)-1:]
			} else {
				r.Header.Del("Content-Type")
			}
		}),
	},
	{
		what: "A header value with a control character is not sent, and logged.",
		why:  "`net/http` sends it, and no client takes such a response.", hosts: inHTTP1,
		rows: []string{"head: control byte*", "head: zero byte*"}, as: "head: own field",
	},
	{
		what: "A malformed `Content-Length` of a HEAD is not sent.",
		why:  "`net/http` sends it as it is, in HTTP/1, and no client takes most of them.", hosts: inAll,
		rows: []string{"length: empty, HEAD", "length: negative, HEAD", "length: no number, HEAD", "length: with spaces, HEAD"}, as: "length: nil",
	},
	{
		what: "`WriteHeader(101)` without a `Hijack`: 500.",
		why:  "Nobody would speak another protocol then.", hosts: inHTTP1,
		rows: []string{"head: 101 without an upgrade"},
		adjust: func(o *conform.Outcome) {
			o.Responses, o.End = []conform.Response{{Status: http.StatusInternalServerError}}, conform.Closed
		},
	},
	{
		what: "`Hijack` after something was sent: `errors.ErrUnsupported`.",
		why:  "The head is the server's then, and with it how the response ends.", hosts: inHTTP1,
		rows:   []string{"hijack: after a Write"},
		adjust: func(o *conform.Outcome) { o.Notes = []string{"hijack errors.ErrUnsupported"} },
	},
	{
		what: "A signed or repeated `Content-Length` is sent as the one number it is taken for.",
		why:  "`net/http` sends it as it is, and no client takes such a response.", hosts: inHTTP1,
		rows: []string{"length: signed*", "length: twice*"}, as: "length: right",
	},
	{
		what: "Of an `io.Copy` of more than the `Content-Length` has room for, that much is sent, and the copy ends with `http.ErrContentLength`.",
		why:  "`net/http` sends nothing, too much, or breaks the response off, depending on sizes and protocol; its `Write` has this error too.", hosts: inAll,
		rows: []string{"stream: copy beyond the length", "file: copied beyond the length"},
		adjust: func(o *conform.Outcome) {
			*o = conform.Outcome{
				Responses: []conform.Response{{
					Status: http.StatusOK,
					Header: http.Header{"Content-Length": {"100"}, "Content-Type": {"text/plain; charset=utf-8"}},
					Body:   strings.Repeat("0123456789", 10),
				}},
				End: conform.Alive, Called: 1, Notes: []string{"copy http.ErrContentLength"},
			}
		},
	},
	{
		what: "Trailers reach the client although a `Content-Length` was set, or although they were set by prefix after a short body that was never flushed; the length is not sent then.",
		why:  "In HTTP/1.1 `net/http` would lose the trailers.", hosts: inNginx1,
		rows: []string{"trailer: with a length", "trailer: by prefix, nothing flushed"},
		adjust: eachResponse(func(r *conform.Response) {
			r.Header.Del("Content-Length")
			r.Trailer = http.Header{"X-A": {"1"}}
		}),
	},
	{
		what: "A response with trailers set by prefix after a short body that was never flushed has no `Content-Length`.",
		why:  "It is the same in HTTP/1.1, where it could not have both.", hosts: inNginx2,
		rows:   []string{"trailer: by prefix, nothing flushed"},
		adjust: withoutField("Content-Length"),
	},
	{
		what: "The connection stays open where `net/http` closes it after a whole response: too many bytes written, the request over a limit, `Transfer-Encoding: identity`.",
		why:  "Whether it can take another request is for nginx to know; it reads what is left of the request.", hosts: inNginx1,
		rows:   []string{"MaxBytes*: too few", "MaxBytesReader: none", "length: 0 and a body", "length: identity", "length: too many after the right ones"},
		adjust: ending(conform.Alive),
	},
	{
		what: "Targets that leave the root by `..`, hold an escaped zero byte or a fragment, are `*` or have a user, another scheme or no slash: refused.",
		why:  "Apache refuses them itself.", hosts: inApache,
		rows: []string{"target: dots above the root", "target: escaped dots above the root", "target: escaped zero byte", "target: fragment",
			"site: above the root", "site: zero byte", "target: opaque", "target: star of a GET", "target: absolute form with a user",
			"target: absolute form of another scheme"},
		adjust: refused,
	},
	{
		what: "`CONNECT`: refused.",
		why:  "Apache refuses it itself.", hosts: inApache,
		rows:   []string{"target: path of CONNECT", "mux: CONNECT /plain"},
		adjust: refused,
	},
	{
		what: "`TRACE` does not reach the handler.",
		why:  "Apache answers it, unless `TraceEnable` is off.", hosts: inApache,
		rows: []string{"method: TRACE"}, skip: true,
	},
	{
		what: "A `Host` that is empty or holds a comma, two dots in a row, an empty port or one that is no number: refused.",
		why:  "Apache refuses them itself.", hosts: inApache,
		rows:   []string{"host: empty", "host: comma", "host: two dots", "host: empty port", "host: port of letters"},
		adjust: refused,
	},
	{
		what: "`Content-Length` twice, and lines that end without CR: refused.",
		why:  "Apache refuses them itself, unless `HttpProtocolOptions` says Unsafe.", hosts: inApache,
		rows:   []string{"body: length twice", "line: bare line feeds"},
		adjust: refused,
	},
	{
		what: "An empty line in front of the request: accepted.",
		why:  "Apache is lenient there.", hosts: inApache,
		rows: []string{"line: empty line first"}, as: "target: plain",
	},
	{
		what: "A repeated request field, or trailer, is one field with the values as a list, cookies too.",
		why:  "Apache joins them as it reads them.", hosts: inApache,
		rows: []string{"field: repeated", "field: repeated, a list", "field: X-Forwarded-For repeated", "cookie: two fields", "trailer: repeated"},
		adjust: func(o *conform.Outcome) {
			for i, note := range o.Notes {
				o.Notes[i] = strings.ReplaceAll(note, `\" \"`, ", ")
			}
		},
	},
	{
		what: "A `Vary` repeated is one field.",
		why:  "Apache joins it.", hosts: inApache,
		rows:   []string{"head: Vary, Link and Allow repeated*"},
		adjust: eachResponse(func(r *conform.Response) { r.Header.Set("Vary", "A,B") }),
	},
	{
		what: "A `Date` or `Server` of the handler's gives way to Apache's.",
		why:  "Apache sets them for all responses that are not a proxy's.", hosts: inApache,
		rows: []string{"head: own Date*", "head: own Server*"},
		adjust: eachResponse(func(r *conform.Response) {
			r.Header.Del("Server")
			r.Header.Del("Date")
		}),
	},
	{
		what: "The connection is closed after 413, 500 and 503, and after an `Expect` without a body.",
		why:  "So Apache does with any such response.", hosts: inApache,
		rows: []string{"head: 413*", "head: 500*", "head: 503*", "trouble: a panic that is recovered", "wrapper: TimeoutHandler, late",
			"expect: no body", "body: chunked and length"},
		adjust: ending(conform.Closed),
	},
	{
		what: "The connection stays open where `net/http` closes it after a whole response.",
		why:  "Whether it can take another request is for Apache to know; it reads what is left of the request.", hosts: inApache,
		rows:   []string{"MaxBytesHandler: too few", "length: 0 and a body", "length: identity", "length: too many after the right ones"},
		adjust: ending(conform.Alive),
	},
	{
		what: "`Content-Length: 0` of a HEAD is not sent.",
		why:  "Apache takes it for a handler that did not know better.", hosts: inApache,
		rows:   []string{"length: 0, HEAD", "length: 0 and a body, HEAD"},
		adjust: withoutField("Content-Length"),
	},
	{
		what: "A response that breaks off when nothing but its head was to be sent is a 500.",
		why:  "Apache keeps the head back until there are bytes, and so can still say it.", hosts: inApache,
		rows: []string{"length: none written", "length: too many at once", "trouble: Goexit after a Flush, HEAD", "trouble: abort after a Flush, HEAD",
			"trouble: panic after 100000 bytes, HEAD", "trouble: panic after a Flush, HEAD", "trouble: runtime error, HEAD"},
		adjust: func(o *conform.Outcome) {
			o.Responses, o.End = []conform.Response{{Status: http.StatusInternalServerError}}, conform.Closed
		},
	},
	{
		what: "Trailers set by prefix after a short body that was never flushed reach the client; the length is not sent then.",
		why:  "In HTTP/1.1 `net/http` would lose them.", hosts: inApache,
		rows: []string{"trailer: by prefix, nothing flushed"},
		adjust: eachResponse(func(r *conform.Response) {
			r.Header.Del("Content-Length")
			r.Trailer = http.Header{"X-A": {"1"}}
		}),
	},
	{
		what: "Trailers of a response without a body are lost.",
		why:  "Apache gives it a `Content-Length`.", hosts: inApache,
		rows: []string{"trailer: without a body"},
		adjust: eachResponse(func(r *conform.Response) {
			r.Header.Set("Content-Length", "0")
			r.Trailer = nil
		}),
	},
	{
		what: "Malformed chunks: 400 or 413, whatever the handler answers.",
		why:  "Apache sends its own error then.", hosts: inApache,
		rows: []string{"body: chunk size is no number", "body: chunk size is huge", "body: chunk longer than its size", "body: good chunk and a bad one"},
		adjust: func(o *conform.Outcome) {
			o.Responses, o.End = []conform.Response{{Status: http.StatusBadRequest}}, conform.Closed
		},
	},
	{
		what: "Chunks in HTTP/1.0 are read as such.",
		why:  "Apache knows them in any version.", hosts: inApache,
		rows: []string{"body: chunked in 1.0"},
		adjust: func(o *conform.Outcome) {
			for i, note := range o.Notes {
				note = strings.Replace(note, "length 0 [] true", "length -1 [] false", 1)
				o.Notes[i] = strings.Replace(note, `body ""`, `body "hello world"`, 1)
			}
		},
	},
	{
		what: "With a `Content-Length` besides they are waited for.",
		why:  "It counts for less.", hosts: inApache,
		rows: []string{"body: chunked in 1.0 and length"}, skip: true,
	},
	{
		what: "A read deadline that passes lets the handler go on, but what it sends waits until the client has sent something, or for Apache's `Timeout`.",
		why:  "The thread that would send it is the one that waits for the client.", hosts: inApache,
		rows: []string{"control: read deadline passes"}, skip: true,
	},
	{
		what: "The version 2.0 in a request line: accepted.",
		why:  "Apache is lenient there.", hosts: inApache,
		rows: []string{"version: 2.0"}, as: "target: plain",
		adjust: func(o *conform.Outcome) { o.Notes[0] = `line "GET" "/a" "HTTP/2.0" 2 0` },
	},
	{
		what: "The version 3.0 as well.",
		why:  "Apache is lenient there.", hosts: inApache,
		rows: []string{"version: 3.0"}, as: "target: plain",
		adjust: func(o *conform.Outcome) { o.Notes[0] = `line "GET" "/a" "HTTP/3.0" 3 0` },
	},
	{
		what: "Informational responses to HTTP/1.0 are not sent.",
		why:  "Such clients do not know them.", hosts: inApache,
		rows:   []string{"connection: 1.0 and an informational head"},
		adjust: eachResponse(func(r *conform.Response) { r.Infos = nil }),
	},
	{
		what: "The connection may be closed after a request whose large body nobody has read.",
		why:  "nginx does not read it to the end for the sake of the next request, unless it has done so already.", hosts: inNginx1,
		rows:   []string{"read: not at all of 100000 bytes"},
		adjust: ending(conform.Closed), either: true,
	},
}

// refused is a request that no handler gets to see.
func refused(o *conform.Outcome) {
	*o = conform.Outcome{Responses: []conform.Response{{Status: http.StatusBadRequest}}, End: conform.Closed}
}

func withoutNotes(prefix string) func(o *conform.Outcome) {
	return func(o *conform.Outcome) {
		o.Notes = slices.DeleteFunc(o.Notes, func(note string) bool { return strings.HasPrefix(note, prefix) })
	}
}

func withoutField(name string) func(o *conform.Outcome) {
	return eachResponse(func(r *conform.Response) { r.Header.Del(name) })
}

// ending is the same with another end of the connection.
func ending(end conform.End) func(o *conform.Outcome) {
	return func(o *conform.Outcome) { o.End = end }
}

// differenceOf is the known difference of a row in a host, if there is one.
func differenceOf(host, row string) *difference {
	for i := range differences {
		d := &differences[i]
		if slices.Contains(d.hosts, host) && slices.ContainsFunc(d.rows, func(pattern string) bool { return matches(pattern, row) }) {
			return d
		}
	}
	return nil
}

func matches(pattern, row string) bool {
	ok, err := path.Match(pattern, row)
	if err != nil {
		panic(err)
	}
	return ok
}

func TestConform_EveryDifferenceHasItsRows(t *testing.T) {
	for _, d := range differences {
		for _, pattern := range d.rows {
			assert.True(t, slices.ContainsFunc(conform.Rows(), func(row conform.Row) bool { return matches(pattern, row.Name) }), pattern)
		}
	}
}
