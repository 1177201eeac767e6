// FastCGI from the perspective of the application.

package host

import (
	"context"
	"net"
	"os"
	"strings"

	"pillion/host/internal/fcgi"
)

// serveFCGI serves FastCGI requests until ctx ends.
func serveFCGI(ctx context.Context, l net.Listener, m *mounts) error {
	servers := os.Getenv(serverAddrs)
	return serveConns(ctx, l, func(c net.Conn) gatewayConn {
		if !allowed(c.RemoteAddr(), servers) {
			c.Close()
		}
		return fcgi.NewConn(c, func(r *fcgi.Request) {
			x := newCGIExchange(r, cgiVars(r.Params), m.chosen)
			r.OnLeave(x.leave)
			serveWith(x, m)
		})
	})
}

// serverAddrs is the environment variable by which a spawner says which servers
// may connect.
const serverAddrs = "FCGI_WEB_SERVER_ADDRS"

// allowed reports whether addr is in a list of IP addresses. All are in an empty
// one, and so are sockets that have none.
func allowed(addr net.Addr, list string) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || list == "" {
		return true
	}
	for ip := range strings.SplitSeq(list, ",") {
		if tcp.IP.Equal(net.ParseIP(strings.TrimSpace(ip))) {
			return true
		}
	}
	return false
}

// cgiVars are the variables of a request.
func cgiVars(list [][2]string) []Pair {
	vars := make([]Pair, len(list), len(list)+1)
	for i, p := range list {
		vars[i] = Pair{p[0], p[1]}
	}
	return vars
}
