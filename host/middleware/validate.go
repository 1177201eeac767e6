// The validator: both sides of the interface held to its rules.

package middleware

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"pillion/host"
)

// Rule names a rule of the interface.
type Rule string

// The rules, first the host's, then the application's. The numbers are those of
// the sections of RFC 3875 and RFC 9110, the names in quotes those of the
// sections of PEP 3333.
const (
	EnvironRequired Rule = "environ-required" // the variables that are always there ("environ Variables")
	EnvironPath     Rule = "environ-path"     // SCRIPT_NAME and PATH_INFO are empty or begin with a slash; RFC 3875, 4.1.5 and 4.1.13
	EnvironContent  Rule = "environ-content"  // CONTENT_LENGTH is a length; no HTTP_CONTENT_LENGTH, no HTTP_CONTENT_TYPE
	EnvironFields   Rule = "environ-fields"   // HTTP_* mirror the header; never HTTP_PROXY; RFC 3875, 4.1.18
	EnvironFacts    Rule = "environ-facts"    // version, scheme and streams are there and make sense
	InputLength     Rule = "input-length"     // the input is as long as CONTENT_LENGTH says ("Input and Error Streams")
	InputEnd        Rule = "input-end"        // after its end it stays at its end
	ErrorsStream    Rule = "errors-stream"    // writing to the error stream never fails
	StartWriter     Rule = "start-writer"     // StartResponse returns a writer ("The start_response() Callable")

	Status          Rule = "status"           // three digits, a space, a reason, no control characters
	Headers         Rule = "headers"          // names are tokens, values have no control characters, Status is none
	HopByHop        Rule = "hop-by-hop"       // headers of the connection are the server's ("Other HTTP Features"); RFC 9110, 7.6.1
	ContentType     Rule = "content-type"     // a body has one; 204 and 304 have none
	ContentLength   Rule = "content-length"   // neither more bytes than it says nor fewer ("Handling the Content-Length Header")
	NoBody          Rule = "no-body"          // 204 and 304 have no body
	StartOnce       Rule = "start-once"       // a second call of StartResponse has an error
	StartFirst      Rule = "start-first"      // StartResponse is called before the body, and at all
	Informational   Rule = "informational"    // 1xx come before the final head, and 101 is none
	BlockOrError    Rule = "block-or-error"   // the sequence has a block or an error, not both
	WriteAfterwards Rule = "write-afterwards" // nothing is written after the sequence has ended
)

// Violation is a rule that was broken.
type Violation struct {
	Side   string // "host" or "application"
	Rule   Rule
	Detail string
}

// Error implements error.
func (v *Violation) Error() string {
	return "validate: the " + v.Side + " breaks the rule " + string(v.Rule) + ": " + v.Detail
}

// Validate returns middleware that checks what the host gives and what the
// application does, as Python's wsgiref.validate. report is called with each rule
// that is broken, from the goroutine that breaks it; nil panics with the
// *Violation.
func Validate(report func(*Violation)) host.Middleware {
	if report == nil {
		report = func(v *Violation) { panic(v) }
	}
	return func(app host.App) host.App {
		return within(func(env *host.Env, start host.StartResponse, yield func([]byte, error) bool) {
			v := &validation{report: report, method: env.Vars["REQUEST_METHOD"], start: start}
			v.environ(env)
			defer func() { v.ended = true }()
			env = watchTakeover(v.watch(env), func() { v.taken = true })
			v.run(app(env, v.startResponse), yield)
		})
	}
}

// validation is the check of one request. It belongs to the application's
// goroutine.
type validation struct {
	report func(*Violation)
	method string
	start  host.StartResponse

	started bool
	begun   bool // the body has
	failed  bool // an error was given: the response need not be whole
	taken   bool // the connection was taken over
	ended   bool
	status  string
	typed   bool  // there is a Content-Type
	length  int64 // -1 without one
	sent    int64
}

func (v *validation) host(rule Rule, format string, args ...any) {
	v.report(&Violation{"host", rule, fmt.Sprintf(format, args...)})
}

func (v *validation) app(rule Rule, format string, args ...any) {
	v.report(&Violation{"application", rule, fmt.Sprintf(format, args...)})
}

// run passes the blocks on.
func (v *validation) run(body blocks, yield func([]byte, error) bool) {
	whole := true
	each(body, func(block []byte, err error) bool {
		if err != nil {
			v.failed = true
			if len(block) > 0 {
				v.app(BlockOrError, "a block of %d bytes with the error %q", len(block), err)
			}
		}
		v.body(int64(len(block)))
		whole = yield(block, err)
		return whole
	})
	switch {
	case !whole || v.failed || v.taken:
	case !v.started:
		v.app(StartFirst, "the sequence has ended, and StartResponse was not called")
	case v.length >= 0 && v.sent < v.length && v.method != http.MethodHead && !bodiless(v.status):
		v.app(ContentLength, "%d bytes of a Content-Length of %d", v.sent, v.length)
	}
}

// body checks n more bytes of the body, before they are sent.
func (v *validation) body(n int64) {
	if n == 0 {
		return
	}
	v.sent += n
	switch {
	case v.ended:
		v.app(WriteAfterwards, "%d bytes after the end of the sequence", n)
	case !v.started:
		v.app(StartFirst, "a block of %d bytes, and StartResponse was not called", n)
	case bodiless(v.status):
		v.app(NoBody, "%d bytes with the status %s", n, v.status)
	case v.length >= 0 && v.sent > v.length:
		v.app(ContentLength, "%d bytes, more than the Content-Length of %d", v.sent, v.length)
	case !v.begun && !v.typed:
		v.app(ContentType, "a body without one")
	}
	v.begun = true
}

func bodiless(status string) bool {
	return strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304")
}

// startResponse checks a head and passes it on.
func (v *validation) startResponse(status string, headers []host.Pair, err error) io.Writer {
	valid := v.checkStatus(status)
	length, typed := v.checkHeaders(headers)
	if strings.HasPrefix(status, "1") {
		if v.begun {
			v.app(Informational, "%q after the beginning of the body", status)
		}
		if strings.HasPrefix(status, "101") {
			v.app(Informational, "101 is no answer of an application")
		}
	} else {
		if v.started && err == nil {
			v.app(StartOnce, "a second call with %q", status)
		}
		if valid && typed && bodiless(status) {
			v.app(ContentType, "there is one with the status %s", status)
		}
		v.failed = v.failed || err != nil && v.begun
		v.started, v.status, v.length, v.typed = true, status, length, typed
	}
	w := v.start(status, headers, err)
	if w == nil {
		v.host(StartWriter, "StartResponse returned nil")
		return nil
	}
	if _, ok := w.(io.ReaderFrom); ok {
		return &validFileWriter{validWriter{v, w}}
	}
	return &validWriter{v, w}
}

// validWriter is the writer that the application gets.
type validWriter struct {
	v *validation
	w io.Writer
}

func (w *validWriter) Write(p []byte) (int, error) {
	w.v.body(int64(len(p)))
	n, err := w.w.Write(p)
	if err == nil && n != len(p) {
		w.v.host(StartWriter, "Write took %d of %d bytes, without an error", n, len(p))
	}
	w.v.failed = w.v.failed || err != nil
	return n, err
}

func (w *validWriter) Flush() error { return host.Flush(w.w) }

func (w *validWriter) SetTrailers(trailers []host.Pair) error {
	w.v.checkHeaders(trailers)
	return host.SetTrailers(w.w, trailers)
}

// validFileWriter is a validWriter whose w takes files.
type validFileWriter struct{ validWriter }

func (w *validFileWriter) ReadFrom(src io.Reader) (int64, error) {
	n, err := w.w.(io.ReaderFrom).ReadFrom(src)
	w.v.body(n)
	w.v.failed = w.v.failed || err != nil && !errors.Is(err, http.ErrBodyNotAllowed)
	return n, err
}
