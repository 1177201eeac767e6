// What the validator checks of an environ, and of a head.

package middleware

import (
	"io"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"pillion/host"
)

// environ checks what the host gives.
func (v *validation) environ(env *host.Env) {
	for _, name := range []string{"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"} {
		if env.Vars[name] == "" {
			v.host(EnvironRequired, "%s is missing or empty", name)
		}
	}
	if _, ok := env.Vars["QUERY_STRING"]; !ok {
		v.host(EnvironRequired, "QUERY_STRING is missing")
	}
	if !token(env.Vars["REQUEST_METHOD"]) {
		v.host(EnvironRequired, "REQUEST_METHOD is %q, which is not a method", env.Vars["REQUEST_METHOD"])
	}
	v.path(env)
	v.fields(env)
	if env.Version != host.Version {
		v.host(EnvironFacts, "the version is %v", env.Version)
	}
	if env.URLScheme != "http" && env.URLScheme != "https" {
		v.host(EnvironFacts, "the scheme is %q", env.URLScheme)
	}
	if env.Header == nil || env.Input == nil || env.Errors == nil || env.Values == nil || env.Context() == nil {
		v.host(EnvironFacts, "Header, Input, Errors, Values or Context is nil")
	}
}

func (v *validation) path(env *host.Env) {
	script, hasScript := env.Vars["SCRIPT_NAME"]
	path, hasPath := env.Vars["PATH_INFO"]
	switch {
	case !hasScript && !hasPath:
		v.host(EnvironPath, "neither SCRIPT_NAME nor PATH_INFO is there")
	case script == "/":
		v.host(EnvironPath, `SCRIPT_NAME is "/"`)
	case script != "" && script[0] != '/':
		v.host(EnvironPath, "SCRIPT_NAME is %q", script)
	case path != "" && path[0] != '/':
		v.host(EnvironPath, "PATH_INFO is %q", path)
	}
}

// fields compares HTTP_* with the header.
func (v *validation) fields(env *host.Env) {
	if length, ok := env.Vars["CONTENT_LENGTH"]; ok && !decimal(length) {
		v.host(EnvironContent, "CONTENT_LENGTH is %q", length)
	}
	for name := range env.Vars {
		field, ok := strings.CutPrefix(name, "HTTP_")
		switch {
		case !ok, field == "HOST":
		case field == "CONTENT_LENGTH" || field == "CONTENT_TYPE":
			v.host(EnvironContent, "there is %s", name)
		case field == "PROXY":
			v.host(EnvironFields, "there is HTTP_PROXY")
		case !hasField(env, field):
			v.host(EnvironFields, "there is %s, and no such header", name)
		}
	}
	for name := range env.Header {
		field := variable(name)
		_, ok := env.Vars["HTTP_"+field]
		switch {
		case !token(name):
			v.host(EnvironFields, "%q is not a header name", name)
		case field == "PROXY":
			v.host(EnvironFields, "there is a Proxy header")
		case !ok && field != "CONTENT_LENGTH" && field != "CONTENT_TYPE" && !strings.Contains(name, "_"):
			v.host(EnvironFields, "there is a header %s, and no HTTP_%s", name, field)
		}
	}
}

// variable is the name of a header in HTTP_*.
func variable(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

func hasField(env *host.Env, field string) bool {
	for name := range env.Header {
		if variable(name) == field && !strings.Contains(name, "_") {
			return true
		}
	}
	return false
}

// watch returns env with its streams watched.
func (v *validation) watch(env *host.Env) *host.Env {
	c := *env
	length := int64(-1)
	if n, err := strconv.ParseInt(env.Vars["CONTENT_LENGTH"], 10, 64); err == nil {
		length = n
	}
	c.Input = &validInput{v: v, r: env.Input, length: length}
	c.Errors = &validErrors{v, env.Errors}
	return &c
}

// validInput is the input that the application gets.
type validInput struct {
	v      *validation
	r      io.Reader
	length int64
	read   int64
	end    bool
}

func (i *validInput) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.read += int64(n)
	switch {
	case n < 0 || n > len(p):
		i.v.host(InputLength, "Read of %d bytes returned %d", len(p), n)
	case i.length >= 0 && i.read > i.length:
		i.v.host(InputLength, "%d bytes of a CONTENT_LENGTH of %d", i.read, i.length)
	case err == io.EOF && i.length >= 0 && i.read < i.length:
		i.v.host(InputLength, "it has ended after %d bytes of a CONTENT_LENGTH of %d", i.read, i.length)
	case i.end && (n > 0 || err == nil && len(p) > 0):
		i.v.host(InputEnd, "%d bytes after the end", n)
	}
	i.end = i.end || err == io.EOF
	return n, err
}

// validErrors is the error stream that the application gets.
type validErrors struct {
	v *validation
	s host.ErrorStream
}

func (e *validErrors) Write(p []byte) (int, error) {
	n, err := e.s.Write(p)
	if n != len(p) || err != nil {
		e.v.host(ErrorsStream, "Write took %d of %d bytes: %v", n, len(p), err)
	}
	return n, err
}

func (e *validErrors) Flush() error {
	err := e.s.Flush()
	if err != nil {
		e.v.host(ErrorsStream, "Flush: %v", err)
	}
	return err
}

// checkStatus checks the status of a response.
func (v *validation) checkStatus(status string) bool {
	ok := len(status) >= 4 && decimal(status[:3]) && status[0] != '0' && status[3] == ' ' && printable(status)
	if !ok {
		v.app(Status, "%q", status)
	}
	return ok
}

// checkHeaders checks headers and returns what they say of the body.
func (v *validation) checkHeaders(headers []host.Pair) (length int64, typed bool) {
	length = -1
	for _, h := range headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		switch {
		case !token(h.Name):
			v.app(Headers, "%q is not a header name", h.Name)
		case !printable(h.Value):
			v.app(Headers, "the value of %s has a control character: %q", h.Name, h.Value)
		case name == "Status":
			v.app(Headers, "Status is the first argument of StartResponse")
		case slices.Contains(hopByHop, name):
			v.app(HopByHop, "%s", h.Name)
		case name == "Content-Type":
			typed = true
		case name == "Content-Length":
			if !decimal(h.Value) {
				v.app(ContentLength, "%q", h.Value)
				continue
			}
			length, _ = strconv.ParseInt(h.Value, 10, 64)
		}
	}
	return length, typed
}

// hopByHop are the headers that concern one connection.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade",
}

func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func decimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// printable reports whether s has no control characters but tabs.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
