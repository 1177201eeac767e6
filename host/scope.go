// What is known of a request where there is only its context: for Environ and
// for log lines.

package host

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// scope tells which request a context belongs to.
type scope struct {
	app, client, method, target, proto, host string

	// environ has the CGI variables.
	environ interface {
		// variables returns a copy of them, nil when they are gone.
		variables() []Pair
	}
}

// scopeKey is the context key of *scope.
type scopeKey struct{}

func scopeOf(ctx context.Context) *scope {
	if ctx == nil {
		return nil
	}
	sc, _ := ctx.Value(scopeKey{}).(*scope)
	return sc
}

// Environ returns the CGI variables r came with (RFC 3875), in the server's
// order and with the deployer's own. They are the caller's to change. It
// returns nil if r is not a request of this package, and after its handler has
// returned.
func Environ(r *http.Request) []Pair {
	sc := scopeOf(r.Context())
	if sc == nil || sc.environ == nil {
		return nil
	}
	return sc.environ.variables()
}

// appendTo appends the request's context to a log line, in nginx's manner.
func (sc *scope) appendTo(b []byte) []byte {
	if sc.app != "" {
		b = strconv.AppendQuote(append(b, ", app: "...), sc.app)
	}
	if sc.client != "" {
		client := sc.client
		if h, _, err := net.SplitHostPort(client); err == nil {
			client = h
		}
		b = append(append(b, ", client: "...), client...)
	}
	if sc.method != "" {
		b = strconv.AppendQuote(append(b, ", request: "...), sc.method+" "+sc.target+" "+sc.proto)
	}
	if sc.host != "" {
		b = strconv.AppendQuote(append(b, ", host: "...), sc.host)
	}
	return b
}

// server stands for the server in http.ServerContextKey.
var server = &http.Server{ErrorLog: errorLog}

// localAddr is the address the request came in at, as far as it is known.
func (s *serving) localAddr() net.Addr {
	if path, ok := strings.CutPrefix(s.serverAddr, "unix:"); ok {
		return &net.UnixAddr{Name: path, Net: "unix"}
	}
	return tcpAddr(strings.Trim(s.serverAddr, "[]"), s.serverPort)
}

func tcpAddr(host, port string) *net.TCPAddr {
	addr, zone, _ := strings.Cut(host, "%")
	n, _ := strconv.Atoi(port)
	return &net.TCPAddr{IP: net.ParseIP(addr), Port: n, Zone: zone}
}
