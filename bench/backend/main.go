// Command backend serves the benchmarks' application without Pillion: with
// net/http on TCP and unix sockets, with net/http/fcgi, or as a CGI program.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/fcgi"
	"os"

	"pillion/bench/app"
)

func main() {
	tcp := flag.String("tcp", "", "serve HTTP on `address`")
	unix := flag.String("unix", "", "serve HTTP on the socket `path`")
	fast := flag.String("fcgi", "", "serve FastCGI on the socket `path`")
	flag.Parse()
	h := app.New()
	if os.Getenv("GATEWAY_INTERFACE") != "" {
		log.Fatal(cgi.Serve(h))
	}
	switch {
	case *tcp != "":
		log.Fatal(http.Serve(listen("tcp", *tcp), h))
	case *unix != "":
		log.Fatal(http.Serve(listen("unix", *unix), h))
	case *fast != "":
		log.Fatal(fcgi.Serve(listen("unix", *fast), h))
	}
	flag.Usage()
	os.Exit(2)
}

func listen(network, address string) net.Listener {
	l, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	if network == "unix" {
		// The servers' workers may be another user.
		if err := os.Chmod(address, 0o666); err != nil {
			log.Fatal(err)
		}
	}
	return l
}
