// The environ: what an App is told of a request.

package host

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Version is the version of the interface, PEP 3333's.
var Version = [2]int{1, 0}

// process is what an App is told of its process: as in a server, unless Main finds
// it to be something else.
var process = struct{ Multithread, Multiprocess, RunOnce bool }{Multithread: true, Multiprocess: true}

// Env is the environ of one request. It is made by the server, or by NewEnv. A
// middleware that changes it for the application below gives it a Clone.
type Env struct {
	// Vars holds the CGI variables (RFC 3875): REQUEST_METHOD, SCRIPT_NAME,
	// PATH_INFO, QUERY_STRING, SERVER_NAME, SERVER_PORT and SERVER_PROTOCOL are
	// always there, CONTENT_TYPE, CONTENT_LENGTH, REMOTE_ADDR and the like where
	// they are known. HTTP_* mirror Header, repeated fields joined, those with an
	// underscore in their names left out. The deployer's parameters are here too.
	// Values are byte strings, not necessarily UTF-8.
	Vars map[string]string

	// Header holds the header fields, with their repetitions, but for Host. It
	// is what counts where HTTP_* differ.
	Header http.Header

	// Input is the request body. It ends where the body ends and stays there.
	Input io.Reader

	// Errors is the server's error log. Each line becomes a message of level
	// error that names the request.
	Errors ErrorStream

	// URLScheme is "http" or "https".
	URLScheme string

	// Version is the version of the interface.
	Version [2]int

	// Multithread says that the application may be called again by another
	// goroutine before this request has ended, Multiprocess that another
	// process may be running it too, RunOnce that this process serves one
	// request only.
	Multithread, Multiprocess, RunOnce bool

	// Control is what the server can do besides. It is nil where a middleware
	// has refused it.
	Control Control

	// Values is for middleware: what it tells the applications below, under
	// keys that begin with its own name and a dot.
	Values map[string]any

	ctx    context.Context
	r      *http.Request // what NewEnv was given
	body   io.Reader     // Input, as NewEnv has made it
	was    place         // so here
	shared *shared
}

// Control is what a server offers besides the interface: *http.ResponseController
// implements it. What it cannot do matches errors.ErrUnsupported.
type Control interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
	Hijack() (net.Conn, *bufio.ReadWriter, error)
}

// ErrorStream is a text stream to the server's log.
type ErrorStream interface {
	io.Writer
	// Flush logs an unfinished line. It never fails.
	Flush() error
}

// place is what an application is asked for, where in the URL, and with how much
// of a body.
type place struct{ method, script, path, query, length string }

func (e *Env) place() place {
	v := e.Vars
	return place{v["REQUEST_METHOD"], v["SCRIPT_NAME"], v["PATH_INFO"], v["QUERY_STRING"], v["CONTENT_LENGTH"]}
}

// shared is what the Envs of one request share.
type shared struct {
	close bool // the connection is to end after the response
	taken bool // the application has taken the connection over

	w      http.ResponseWriter // where all ends
	answer *appResponse
}

// push hands over what waits in a ResponseWriter of this package.
func (s *shared) push() {
	own, ok := s.w.(interface{ push() })
	if ok && s.answer.started && s.answer.ready() == nil {
		own.push()
	}
}

// Context ends when the client leaves and when the application has ended.
func (e *Env) Context() context.Context { return e.ctx }

// WithContext returns a copy of e with another context, which must be derived
// from e's.
func (e *Env) WithContext(ctx context.Context) *Env {
	c := *e
	c.ctx = ctx
	return &c
}

// Clone returns a copy of e whose Vars, Header and Values are its own.
func (e *Env) Clone() *Env {
	c := *e
	c.Vars, c.Header, c.Values = maps.Clone(e.Vars), e.Header.Clone(), maps.Clone(e.Values)
	return &c
}

// values is the context key of the Values of the innermost Env.
type valuesKey struct{}

// NewEnv returns the environ of r, whose Control is nil. In a handler that
// FromHandler has made an App it continues the App's Values. With
// httptest.NewRequest it makes an environ for the test of an App.
func NewEnv(r *http.Request) *Env {
	e := newEnv(r)
	e.ctx = r.Context()
	return e
}

func newEnv(r *http.Request) *Env {
	e := &Env{
		Header:       r.Header,
		Errors:       &errorStream{ctx: r.Context()},
		URLScheme:    "http",
		Version:      Version,
		Multithread:  process.Multithread,
		Multiprocess: process.Multiprocess,
		RunOnce:      process.RunOnce,
		ctx:          r.Context(),
		r:            r,
		shared:       new(shared),
	}
	if _, proxy := e.Header["Proxy"]; proxy || e.Header == nil {
		e.Header = e.Header.Clone() // would be HTTP_PROXY to a program the application runs
		e.Header.Del("Proxy")
	}
	if e.Header == nil {
		e.Header = http.Header{}
	}
	if values, ok := r.Context().Value(valuesKey{}).(map[string]any); ok {
		e.Values = maps.Clone(values)
	} else {
		e.Values = map[string]any{}
	}
	sc := scopeOf(r.Context())
	if sc == nil || sc.environ == nil {
		e.Multiprocess = false // a server of the program's own
		sc = &scope{environ: ownRequest{r, ""}}
	}
	e.setVars(sc.environ.variables())
	e.was = e.place()
	if r.Body == nil { // of a client's request, as tests make them
		e.r = r.WithContext(r.Context())
		e.r.Body = http.NoBody
	}
	e.Input = &input{r: e.r.Body}
	e.body = e.Input
	return e
}

// setVars makes Vars from what the server tells and what the request has become
// since, by the hands of net/http middleware.
func (e *Env) setVars(told []Pair) {
	r := e.r
	e.Vars = make(map[string]string, len(told)+len(r.Header)+8)
	for _, p := range told {
		if !strings.HasPrefix(p.Name, "HTTP_") && !strings.HasPrefix(p.Name, "CONTENT_") {
			e.Vars[p.Name] = p.Value
		}
	}
	if r.TLS != nil || strings.EqualFold(e.Vars["HTTPS"], "on") || strings.EqualFold(e.Vars["REQUEST_SCHEME"], "https") {
		e.URLScheme = "https"
		e.Vars["HTTPS"] = "on"
	}
	e.Vars["REQUEST_METHOD"] = cmp.Or(r.Method, http.MethodGet)
	e.Vars["QUERY_STRING"] = r.URL.RawQuery
	e.setPath(r.URL.Path)
	e.setServer()
	e.setFields()
}

// setPath keeps SCRIPT_NAME and PATH_INFO in step with a path that
// http.StripPrefix, or anything like it, has changed.
func (e *Env) setPath(path string) {
	script := strings.TrimSuffix(e.Vars["SCRIPT_NAME"], "/")
	info, told := e.Vars["PATH_INFO"]
	if !told {
		var u url.URL
		if parseTarget(&u, e.r.Method, e.r.RequestURI) == nil {
			info = strings.TrimPrefix(u.Path, script)
		}
	}
	switch {
	case path == info, path == "/" && info == "" && script != "", !strings.HasPrefix(path, "/") && path != "":
	case path == "" && info == "/":
		info = ""
	case strings.HasSuffix(info, path) && (path == "" || info[0] == '/'):
		script += strings.TrimSuffix(info, path)
		info = path
	default:
		info = path
	}
	e.Vars["SCRIPT_NAME"], e.Vars["PATH_INFO"] = script, info
}

// setServer sees to the variables that are never empty.
func (e *Env) setServer() {
	name, port, err := net.SplitHostPort(e.r.Host)
	if err != nil {
		name, port = e.r.Host, ""
	}
	usual := "80"
	if e.URLScheme == "https" {
		usual = "443"
	}
	e.Vars["SERVER_NAME"] = cmp.Or(e.Vars["SERVER_NAME"], strings.Trim(name, "[]"), e.Vars["SERVER_ADDR"], "localhost")
	e.Vars["SERVER_PORT"] = cmp.Or(e.Vars["SERVER_PORT"], port, usual)
	e.Vars["SERVER_PROTOCOL"] = cmp.Or(e.Vars["SERVER_PROTOCOL"], e.r.Proto, "HTTP/1.0")
	if _, ok := e.Vars["REQUEST_URI"]; !ok && e.r.RequestURI != "" {
		e.Vars["REQUEST_URI"] = e.r.RequestURI
	}
}

// setFields mirrors the header fields.
func (e *Env) setFields() {
	if e.r.ContentLength > 0 || e.r.Header.Get("Content-Length") != "" && e.r.ContentLength == 0 {
		e.Vars["CONTENT_LENGTH"] = strconv.FormatInt(e.r.ContentLength, 10)
	}
	if v := e.r.Header.Get("Content-Type"); v != "" {
		e.Vars["CONTENT_TYPE"] = v
	}
	for name, v := range headerVars(e.r) {
		e.Vars[name] = v
	}
}

// headerVars are the HTTP_* variables of a request. A name with an underscore has
// none: it would pass itself off as the one with a dash, which a server may have
// removed or checked.
func headerVars(r *http.Request) map[string]string {
	vars := make(map[string]string, len(r.Header)+1)
	if r.Host != "" {
		vars["HTTP_HOST"] = r.Host
	}
	for name, values := range r.Header {
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Content-Type", "Content-Length", "Proxy", "Host":
			continue
		}
		separator := ", "
		if name == "Cookie" {
			separator = "; "
		}
		if strings.Contains(name, "_") {
			continue
		}
		vars["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = strings.Join(values, separator)
	}
	return vars
}

// variables implements scope.environ for what is below an App.
func (e *Env) variables() []Pair {
	pairs := make([]Pair, 0, len(e.Vars))
	for _, name := range slices.Sorted(maps.Keys(e.Vars)) {
		pairs = append(pairs, Pair{name, e.Vars[name]})
	}
	return pairs
}

// input is a request body that cannot be closed. Its end is final.
type input struct {
	r   io.Reader
	err error
}

func (i *input) Read(p []byte) (int, error) {
	if i.err != nil {
		return 0, i.err
	}
	n, err := i.r.Read(p)
	if err == io.EOF {
		i.err = err
	}
	return n, err
}

// maxErrorLine is where a line of an error stream is broken that does not end.
const maxErrorLine = 16 << 10

// errorStream makes log messages of lines.
type errorStream struct {
	ctx  context.Context
	mu   sync.Mutex
	line []byte
}

func (s *errorStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		s.line = append(s.line, line...)
		if ended || len(s.line) >= maxErrorLine {
			s.log()
		}
		rest = after
	}
	return len(p), nil
}

func (s *errorStream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) > 0 {
		s.log()
	}
	return nil
}

func (s *errorStream) log() {
	logRequest(s.ctx, slog.LevelError, string(s.line))
	s.line = s.line[:0]
}
