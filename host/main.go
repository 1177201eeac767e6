// The program on its own: what Main finds it to be.

package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// stopTime is how long requests, and then hooks, may take when the program
// stops.
const stopTime = 5 * time.Second

// Main serves the registered applications in a program of its own; inside a
// server nobody calls it. What it serves is decided by how it is started:
//
//   - GATEWAY_INTERFACE and REQUEST_METHOD are set: it is a CGI program, answers
//     the one request and ends. Its arguments are not looked at: they come from
//     the client.
//   - AWS_LAMBDA_RUNTIME_API is set: it is a function, and takes events from
//     that API until it is stopped; see ServeEvent.
//   - -fcgi or -scgi: it listens for FastCGI or SCGI requests.
//   - Descriptor 0 is a listening socket: it takes FastCGI requests from it.
//   - Otherwise it is an HTTP server.
//
// These are the flags besides those the program has defined with package flag:
//
//	-addr host:port  where to listen for HTTP, by default 127.0.0.1:8080; port 0 picks one
//	-fcgi address    listen for FastCGI at host:port, or at a socket's path; :port is 127.0.0.1's
//	-scgi address    listen for SCGI, so too
//	-app name        the application to serve
//
// Without -app the only application is served; if there are several, each is
// served below /name/, and / lists them. An application below /name/ sees the
// rest as its path, as with SCRIPT_NAME. A server of CGI, FastCGI or SCGI chooses
// an application by the variable PILLION_APP.
//
// An HTTP client has a minute for the head of a request, and an idle connection
// two; bodies and responses are for handlers to limit.
//
// Main prints the address it listens at to standard output, runs the OnStart
// functions before the first request and the OnStop functions after the last. On
// SIGINT or SIGTERM it lets requests finish for 5 seconds. A failure is printed
// to standard error and ends the process with status 1.
func Main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release) // a second signal kills
	var err error
	if isCGI() {
		out := os.Stdout
		os.Unsetenv("HTTP_PROXY") // a client's Proxy field, and a setting to programs that the application runs
		os.Stdout = os.Stderr     // what the application prints is no part of the response
		signal.Ignore(syscall.SIGPIPE)
		err = serveCGI(ctx, os.Environ(), os.Stdin, out)
	} else {
		err = standAlone(ctx, os.Args, os.Stdout)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "PILLION-1301: the program ends:", err)
		os.Exit(1)
	}
}

// options are the values of Main's flags.
type options struct{ addr, fcgi, scgi, app string }

// standAlone serves until ctx ends.
func standAlone(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	m, err := newMounts(o.app)
	if err != nil {
		return err
	}
	if api := os.Getenv(runtimeAPI); api != "" {
		return serveLambda(ctx, api, m)
	}
	protocol, name, listener, err := o.listen()
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	defer listener.Close()
	if err := Start(Settings{}); err != nil {
		return err
	}
	fmt.Fprintf(out, "serving %s\n", name)
	return errors.Join(protocol(ctx, listener, m), Stop(0, stopTime))
}

// listen opens the socket that the options ask for. name is what to print.
func (o *options) listen() (protocol func(context.Context, net.Listener, *mounts) error, name string, l net.Listener, err error) {
	if o.fcgi == "" && o.scgi == "" {
		if l := inheritedSocket(); l != nil {
			return serveFCGI, "FastCGI on descriptor 0", l, nil
		}
	}
	process.Multiprocess = false
	switch {
	case o.fcgi != "" && o.scgi != "":
		return nil, "", nil, errors.New("-fcgi and -scgi exclude each other")
	case o.fcgi != "":
		l, err = listenAt(o.fcgi)
		protocol, name = serveFCGI, "FastCGI on "
	case o.scgi != "":
		l, err = listenAt(o.scgi)
		protocol, name = serveSCGI, "SCGI on "
	default:
		l, err = net.Listen("tcp", o.addr)
		if err == nil {
			return serveHTTP, "http://" + l.Addr().String() + "/", l, nil
		}
	}
	if err != nil {
		return nil, "", nil, err
	}
	return protocol, name + l.Addr().String(), l, nil
}

// headTime is how long a client may take for the head of a request.
var headTime = time.Minute

// newServer is an http.Server whose connections end without anybody's help.
// Bodies and responses may take their time: handlers limit that, by
// http.ResponseController.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ErrorLog: errorLog, ReadHeaderTimeout: headTime, IdleTimeout: 2 * headTime}
}

// serveHTTP is the HTTP server.
func serveHTTP(ctx context.Context, l net.Listener, m *mounts) error {
	srv := newServer(m)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if srv.Shutdown(drain) != nil {
		logLine(slog.LevelError, []byte("PILLION-1302: requests still running at the end of the drain"))
		srv.Close()
	}
	return nil
}

// parseFlags returns the values of Main's flags. Those of the program's own
// flags are set; one named as Main's stands in for it.
func parseFlags(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flag.VisitAll(func(f *flag.Flag) { flags.Var(f.Value, f.Name, f.Usage) })
	own := []struct {
		value              *string
		name, usual, usage string
	}{
		{&o.addr, "addr", "127.0.0.1:8080", "listen for HTTP at `host:port`; port 0 picks one"},
		{&o.fcgi, "fcgi", "", "listen for FastCGI at an `address`: host:port, or the path of a socket"},
		{&o.scgi, "scgi", "", "listen for SCGI at an `address`: host:port, or the path of a socket"},
		{&o.app, "app", "", "serve the application of that `name`"},
	}
	for _, f := range own {
		if flags.Lookup(f.name) == nil {
			flags.String(f.name, f.usual, f.usage)
		}
	}
	var usage strings.Builder
	flags.SetOutput(&usage)
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(out, usage.String())
		return o, err
	case err != nil:
		return o, fmt.Errorf("host: %s", strings.TrimSpace(usage.String()))
	case flags.NArg() > 0:
		return o, fmt.Errorf("host: unknown argument %q", flags.Arg(0))
	}
	for _, f := range own {
		*f.value = flags.Lookup(f.name).Value.String()
	}
	return o, nil
}
