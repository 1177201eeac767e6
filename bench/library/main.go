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
}

func main() { host.Main() }
