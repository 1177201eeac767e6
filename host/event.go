// Function services: a request as an event, a response as a reply.

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"pillion/host/internal/event"
)

// ErrEvent is what ServeEvent returns for what is no event that it knows.
var ErrEvent = errors.New("host: not an event of a function service that is known")

// ErrAborted is what ServeEvent returns if the application has panicked or has
// broken its response off.
var ErrAborted = errors.New("host: the application broke the response off")

// ServeEvent serves one event of a function service with the application of that
// name, and returns the reply. It takes the events of AWS API Gateway (payload
// formats 1.0 and 2.0, so also function URLs), of AWS ALB and of JD Cloud's API
// gateway, and tells them apart itself. The application finds the event and the
// service's own context, which may be empty, in its environ as function.event and
// function.context: JSON text.
//
// The request's context is derived from ctx. Bodies are held in memory, and what
// is not UTF-8 becomes base64, which JD Cloud's format does not have. An error
// says that the event is none of these (ErrEvent), that the application broke off
// (ErrAborted) or that the reply cannot hold the response.
func ServeEvent(ctx context.Context, app string, event, function []byte) ([]byte, error) {
	h := lookup(app)
	if h == nil {
		return nil, fmt.Errorf("host: no application is named %q", app)
	}
	return serveEvent(ctx, app, h, event, function)
}

func serveEvent(ctx context.Context, app string, h http.Handler, text, function []byte) ([]byte, error) {
	e, err := event.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	m := &Memory{Request: Message{App: app, Environ: eventVars(e), Headers: cgiVars(e.Headers), Body: e.Body}}
	m.Request.Headers = append(m.Request.Headers, Pair{"Host", e.Host})
	m.Request.Environ = append(m.Request.Environ, Pair{"function.event", string(text)})
	if len(function) > 0 {
		m.Request.Environ = append(m.Request.Environ, Pair{"function.context", string(function)})
	}
	defer context.AfterFunc(ctx, func() { m.Cancel(context.Cause(ctx)) })()
	done := make(chan struct{})
	go func() { // runtime.Goexit ends this goroutine only
		defer close(done)
		serveWith(m, h)
	}()
	<-done
	if m.End != Complete {
		return nil, ErrAborted
	}
	headers := make(event.Fields, 0, len(m.Headers))
	for _, p := range m.Headers {
		if p.Name != "Connection" {
			headers = append(headers, [2]string{p.Name, p.Value})
		}
	}
	reply, err := e.Reply(m.Status, headers, m.Body)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return reply, nil
}

// eventVars are the CGI variables of an event.
func eventVars(e *event.Request) []Pair {
	scheme, port := "http", "80"
	if e.TLS {
		scheme, port = "https", "443"
	}
	name, _, err := net.SplitHostPort(e.Host)
	if err != nil {
		name = e.Host
	}
	path, err := url.PathUnescape(e.Path)
	if err != nil {
		path = e.Path
	}
	target := (&url.URL{Path: e.Script}).EscapedPath() + e.Path
	if e.Query != "" {
		target += "?" + e.Query
	}
	vars := []Pair{
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"REQUEST_METHOD", e.Method},
		{"REQUEST_URI", target},
		{"SERVER_PROTOCOL", e.Proto},
		{"SCRIPT_NAME", e.Script},
		{"PATH_INFO", path},
		{"QUERY_STRING", e.Query},
		{"SERVER_NAME", name},
		{"SERVER_PORT", cmp.Or(e.Port, port)},
		{"REQUEST_SCHEME", scheme},
	}
	for _, p := range []Pair{{"REMOTE_ADDR", e.Remote}, {"AUTH_TYPE", e.AuthType}, {"REMOTE_USER", e.User}} {
		if p.Value != "" {
			vars = append(vars, p)
		}
	}
	for _, f := range e.Headers {
		if strings.EqualFold(f[0], "Content-Type") {
			vars = append(vars, Pair{"CONTENT_TYPE", f[1]})
			break
		}
	}
	if len(e.Body) > 0 {
		vars = append(vars, Pair{"CONTENT_LENGTH", strconv.Itoa(len(e.Body))})
	}
	return vars
}
