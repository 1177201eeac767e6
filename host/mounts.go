// What Main serves: one application, or several below their names.

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// appVariable is the CGI variable by which a server chooses the application.
const appVariable = "PILLION_APP"

// mounts is the handler of Main: the application that the server asks for, or
// the chosen one, or the only one; otherwise each below its name.
type mounts struct {
	byName map[string]http.Handler
	chosen string
	names  []string // the longest first: a longer mount point wins
	order  []string
}

// newMounts returns a handler for the applications there are.
func newMounts(app string) (*mounts, error) {
	m := &mounts{byName: map[string]http.Handler{}, chosen: app, order: names()}
	switch {
	case len(m.order) == 0:
		return nil, errors.New("host: no application is registered: call host.Handle in an init function")
	case app == "" && len(m.order) == 1:
		m.chosen = m.order[0]
	}
	for _, name := range m.order {
		m.byName[name] = lookup(name)
	}
	if m.chosen != "" && m.byName[m.chosen] == nil {
		return nil, fmt.Errorf("host: no application is named %q; there are %s", m.chosen, strings.Join(m.order, ", "))
	}
	m.names = slices.Clone(m.order)
	slices.SortFunc(m.names, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return m, nil
}

// ServeHTTP implements http.Handler.
func (m *mounts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := ""
	asked := m.chosen
	for _, v := range Environ(r) {
		switch v.Name {
		case appVariable:
			asked = v.Value
		case "SCRIPT_NAME":
			base = strings.TrimSuffix(v.Value, "/")
		}
	}
	if asked != "" {
		h := m.byName[asked]
		if h == nil {
			logRequest(r.Context(), slog.LevelError, "PILLION-1306: no application is named "+strconv.Quote(asked))
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		mounted(asked, "", h).ServeHTTP(w, r)
		return
	}
	for _, name := range m.names {
		rest, ok := cutEscaped(r.URL.EscapedPath(), "/"+name)
		switch {
		case ok && rest == "":
			u := url.URL{Path: base + "/" + name + "/", RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, u.String(), http.StatusTemporaryRedirect)
			return
		case ok && rest[0] == '/':
			mounted(name, "/"+name, m.byName[name]).ServeHTTP(w, r)
			return
		}
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	m.list(w, base)
}

// list shows the applications.
func (m *mounts) list(w http.ResponseWriter, base string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html>\n<title>Applications</title>\n<ul>\n")
	for _, name := range m.order {
		link := (&url.URL{Path: base + "/" + name + "/"}).String()
		fmt.Fprintf(w, "<li><a href=\"%s\">%s</a>\n", html.EscapeString(link), html.EscapeString(name))
	}
	io.WriteString(w, "</ul>\n")
}

// mounted is h below the path script, with what a server would tell of its
// requests.
func mounted(app, script string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sc := &scope{
			app: app, client: r.RemoteAddr, method: r.Method,
			target: r.RequestURI, proto: r.Proto, host: r.Host,
		}
		if told := scopeOf(r.Context()); told != nil && told.environ != nil {
			sc.environ = shifted{told.environ.variables(), script}
		}
		r = r.WithContext(context.WithValue(r.Context(), scopeKey{}, sc))
		u := *r.URL
		mount(&u, r.RequestURI, script, u.Path, u.RawQuery)
		r.URL = &u
		if sc.environ == nil {
			sc.environ = ownRequest{r, script}
		}
		h.ServeHTTP(w, r)
	})
}

// shifted are variables of a request that has gone down to the path script.
type shifted struct {
	told   []Pair
	script string
}

func (s shifted) variables() []Pair {
	pairs := slices.Clone(s.told)
	if s.script == "" {
		return pairs
	}
	for i, p := range pairs {
		switch p.Name {
		case "SCRIPT_NAME":
			pairs[i].Value = strings.TrimSuffix(p.Value, "/") + s.script
		case "PATH_INFO":
			pairs[i].Value = strings.TrimPrefix(p.Value, s.script)
		}
	}
	return pairs
}

// ownRequest is a request of net/http's server below the path script.
type ownRequest struct {
	r      *http.Request
	script string
}

// variables returns what a server would tell of the request.
func (o ownRequest) variables() []Pair {
	r := o.r
	split := func(addr string) (string, string) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return addr, ""
		}
		return host, port
	}
	serverAddr, serverPort := "", ""
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		serverAddr, serverPort = split(local.String())
	}
	serverName, _ := split(r.Host)
	remoteAddr, remotePort := split(r.RemoteAddr)
	environ := []Pair{
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"REQUEST_METHOD", r.Method},
		{"REQUEST_URI", r.RequestURI},
		{"SERVER_PROTOCOL", r.Proto},
		{"SCRIPT_NAME", o.script},
		{"PATH_INFO", r.URL.Path},
		{"QUERY_STRING", r.URL.RawQuery},
		{"SERVER_NAME", cmp.Or(serverName, serverAddr)},
		{"SERVER_ADDR", serverAddr},
		{"SERVER_PORT", serverPort},
		{"SERVER_SOFTWARE", "pillion"},
		{"REMOTE_ADDR", remoteAddr},
		{"REMOTE_PORT", remotePort},
		{"REQUEST_SCHEME", "http"},
	}
	if r.ContentLength > 0 {
		environ = append(environ, Pair{"CONTENT_LENGTH", strconv.FormatInt(r.ContentLength, 10)})
	}
	if v := r.Header.Get("Content-Type"); v != "" {
		environ = append(environ, Pair{"CONTENT_TYPE", v})
	}
	if r.Host != "" {
		environ = append(environ, Pair{"HTTP_HOST", r.Host})
	}
	fixed := len(environ)
	for name, values := range r.Header {
		if name == "Content-Type" || name == "Content-Length" || name == "Proxy" || strings.Contains(name, "_") {
			continue
		}
		separator := ", "
		if name == "Cookie" {
			separator = "; "
		}
		name = "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		environ = append(environ, Pair{name, strings.Join(values, separator)})
	}
	sortPairs(environ[fixed:])
	return environ
}
