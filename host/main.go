// The stand-alone server.

package host

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopTime is how long requests, and then hooks, may take when the stand-alone
// server stops.
const stopTime = 5 * time.Second

// Main serves the registered applications over HTTP until SIGINT or SIGTERM,
// for programs that are run on their own; inside a server nobody calls it. It
// takes these flags besides those the program has defined with package flag:
//
//	-addr host:port  where to listen, by default 127.0.0.1:8080; port 0 picks one
//	-app name        the application to serve at /
//
// Without -app the only application is served at /; if there are several, each
// is served below /name/, and / lists them. An application below /name/ sees
// the rest as its path, as with SCRIPT_NAME.
//
// Main prints the address to standard output, runs the OnStart functions before
// the first request and the OnStop functions after the last, and lets requests
// finish for 5 seconds. A failure is printed to standard error and ends the
// process with status 1.
func Main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release) // a second signal kills
	err := standAlone(ctx, os.Args, os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// standAlone serves until ctx ends.
func standAlone(ctx context.Context, args []string, out io.Writer) error {
	addr, app, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	h, err := standAloneHandler(app)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	defer listener.Close()
	if err := Start(Settings{}); err != nil {
		return err
	}
	fmt.Fprintf(out, "serving http://%s/\n", listener.Addr())

	srv := &http.Server{Handler: h, ErrorLog: errorLog}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		drain, cancel := context.WithTimeout(context.Background(), stopTime)
		if srv.Shutdown(drain) != nil {
			logLine(slog.LevelError, []byte("host: requests still running at the end of the drain"))
			srv.Close()
		}
		cancel()
	}
	return errors.Join(err, Stop(0, stopTime))
}

// parseFlags returns the values of Main's flags. Those of the program's own
// flags are set; one named as Main's stands in for it.
func parseFlags(args []string, out io.Writer) (addr, app string, err error) {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flag.VisitAll(func(f *flag.Flag) { flags.Var(f.Value, f.Name, f.Usage) })
	if flags.Lookup("addr") == nil {
		flags.String("addr", "127.0.0.1:8080", "listen at `host:port`; port 0 picks one")
	}
	if flags.Lookup("app") == nil {
		flags.String("app", "", "serve the application of that `name` at /")
	}
	var usage strings.Builder
	flags.SetOutput(&usage)
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(out, usage.String())
		return "", "", err
	case err != nil:
		return "", "", fmt.Errorf("host: %s", strings.TrimSpace(usage.String()))
	case flags.NArg() > 0:
		return "", "", fmt.Errorf("host: unknown argument %q", flags.Arg(0))
	}
	return flags.Lookup("addr").Value.String(), flags.Lookup("app").Value.String(), nil
}

// standAloneHandler is what Main serves.
func standAloneHandler(app string) (http.Handler, error) {
	known := names()
	switch {
	case len(known) == 0:
		return nil, errors.New("host: no application is registered: call host.Handle in an init function")
	case app == "" && len(known) == 1:
		app = known[0]
	}
	if app != "" {
		h := lookup(app)
		if h == nil {
			return nil, fmt.Errorf("host: no application is named %q; there are %s", app, strings.Join(known, ", "))
		}
		return mounted(app, "", h), nil
	}

	below := make(map[string]http.Handler, len(known))
	var list strings.Builder
	for _, name := range known {
		below[name] = mounted(name, "/"+name, lookup(name))
		link := (&url.URL{Path: "/" + name + "/"}).String()
		fmt.Fprintf(&list, "<li><a href=\"%s\">%s</a>\n", html.EscapeString(link), html.EscapeString(name))
	}
	slices.SortFunc(known, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // a longer mount point wins
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range known {
			rest, ok := cutEscaped(r.URL.EscapedPath(), "/"+name)
			switch {
			case ok && rest == "":
				u := url.URL{Path: "/" + name + "/", RawQuery: r.URL.RawQuery}
				http.Redirect(w, r, u.String(), http.StatusTemporaryRedirect)
				return
			case ok && rest[0] == '/':
				below[name].ServeHTTP(w, r)
				return
			}
		}
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html>\n<title>Applications</title>\n<ul>\n%s</ul>\n", list.String())
	}), nil
}

// mounted is h below the path script, with what a server would tell of its
// requests.
func mounted(app, script string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sc := &scope{
			app: app, client: r.RemoteAddr, method: r.Method,
			target: r.RequestURI, proto: r.Proto, host: r.Host,
		}
		r = r.WithContext(context.WithValue(r.Context(), scopeKey{}, sc))
		u := *r.URL
		mount(&u, r.RequestURI, script, u.Path, u.RawQuery)
		r.URL = &u
		sc.environ = ownRequest{r, script}
		h.ServeHTTP(w, r)
	})
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
		if name == "Content-Type" || name == "Content-Length" || name == "Proxy" {
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
