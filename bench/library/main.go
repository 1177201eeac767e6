// Command library is the benchmarks' application as a Pillion library.
package main

import (
	"pillion/bench/app"
	_ "pillion/capi"
	"pillion/host"
)

func init() {
	host.Handle("bench", app.New())
	host.HandleFunc("hello", app.ServeHello) // without the mux
	host.HandleFunc("hops", app.ServeTimes)
}

func main() { host.Main() }
