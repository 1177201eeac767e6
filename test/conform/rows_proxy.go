// httputil.ReverseProxy.

package conform

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// proxies is a row whose handler is a ReverseProxy in front of backend.
func proxies(name, request string, backend http.HandlerFunc) Row {
	return Row{Name: "proxy: " + name, Request: request, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			run.Note("listen", err)
			return
		}
		quiet := log.New(io.Discard, "", 0)
		srv := &http.Server{Handler: backend, ErrorLog: quiet}
		go srv.Serve(l)
		defer srv.Close()
		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		proxy := &httputil.ReverseProxy{
			Transport: transport,
			ErrorLog:  quiet,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: l.Addr().String()})
				r.Out.Host = r.In.Host
				r.SetXForwarded()
			},
		}
		proxy.ServeHTTP(w, r)
	}}
}

var proxyRows = []Row{
	proxies("what the backend sees", ask("POST /a%2Fb?c HTTP/1.1", "X-A: 1", "Content-Length: 5")+"hello", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintln(w, r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, string(b))
	}),
	one(framing, proxies("chunked body", ask("POST / HTTP/1.1", "Transfer-Encoding: chunked")+chunks, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintln(w, r.ContentLength, r.TransferEncoding, string(b))
	})),
	proxies("status and fields", get, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		set(w, "X-A", "1")
		w.WriteHeader(418)
		write(w, 5)
	}),
	proxies("304", get, func(w http.ResponseWriter, r *http.Request) { set(w, "Etag", `"a"`); w.WriteHeader(304) }),
	proxies("HEAD", head, func(w http.ResponseWriter, r *http.Request) { set(w, "Content-Length", "77") }),
	proxies("large body", get, func(w http.ResponseWriter, r *http.Request) { write(w, 300000) }),
	proxies("trailers", get, func(w http.ResponseWriter, r *http.Request) {
		set(w, "Trailer", "X-A")
		write(w, 5)
		set(w, "X-A", "1")
	}),
	proxies("trailers that were not declared", get, func(w http.ResponseWriter, r *http.Request) {
		set(w, "Content-Type", "text/plain") // or chance would say whether the proxy sniffs one
		flush(w)
		write(w, 5)
		set(w, http.TrailerPrefix+"X-A", "1")
	}),
	proxies("early hints", get, func(w http.ResponseWriter, r *http.Request) {
		set(w, "Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		write(w, 5)
	}),
	proxies("backend breaks off before a byte", get, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }),
	proxies("backend breaks off half-way", get, func(w http.ResponseWriter, r *http.Request) {
		write(w, 5000)
		flush(w)
		panic(http.ErrAbortHandler)
	}),
	{Name: "proxy: nobody there", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		proxy.ErrorLog = log.New(io.Discard, "", 0)
		proxy.ServeHTTP(w, r)
	}},
	streams("streams at once", "text/event-stream"),
	{Name: "proxy: upgrade", OneOnly: byHand, Handler: proxies("", "", func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		io.Copy(conn, rw)
	}).Handler, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: echo"))
		if res := c.Head("GET"); res == nil || res.StatusCode != http.StatusSwitchingProtocols {
			return
		}
		c.Send("hello")
		c.Note(c.RawSome(5))
		c.Conn.(*net.TCPConn).CloseWrite()
		c.Raw()
	}},
	{Name: "upgrade: by the handler", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("asked for", r.Header.Get("Connection"), r.Header.Get("Upgrade"))
		conn, rw, err := http.NewResponseController(w).Hijack()
		run.Note("hijack", err)
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
		rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				run.Note("end", err)
				return
			}
			io.WriteString(conn, strings.ToUpper(line))
		}
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: lines"))
		if res := c.Head("GET"); res == nil || res.StatusCode != http.StatusSwitchingProtocols {
			return
		}
		for _, line := range []string{"one\n", "two\n"} {
			c.Send(line)
			c.Note(c.RawSome(len(line)))
		}
		c.Conn.(*net.TCPConn).CloseWrite()
		c.Raw()
	}},
	{Name: "upgrade: refused", OneOnly: byHand, Request: ask("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: lines"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.Error(w, "no", http.StatusUpgradeRequired)
	}},
}

// streams is a row of a proxied stream, whose client tells the backend when it
// has seen a piece.
func streams(name, contentType string) Row {
	row := Row{Name: "proxy: " + name, OneOnly: byHand}
	row.Handler = func(w http.ResponseWriter, r *http.Request, run *Run) {
		proxies("", "", func(w http.ResponseWriter, r *http.Request) {
			set(w, "Content-Type", contentType)
			for _, piece := range []string{"one", "two"} {
				io.WriteString(w, piece)
				flush(w)
				run.Await(piece)
			}
		}).Handler(w, r, run)
	}
	row.Talk = func(c *Client) {
		c.Send(get)
		res := c.Head("GET")
		for _, piece := range []string{"one", "two"} {
			c.Some(res, len(piece))
			c.Tell(piece)
		}
		c.Body(res)
		c.Probe()
	}
	return row
}
