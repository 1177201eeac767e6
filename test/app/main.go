// Command app is the library of the tests: the applications of the packages
// behave and conform behind the C ABI.
package main

import (
	_ "pillion/capi"
	"pillion/host"
	"pillion/test/behave"
	"pillion/test/conform"
	"pillion/test/stats"
)

func init() {
	behave.Register()
	host.Handle(conform.App, conform.Handler())
	host.Handle(conform.MixApp, conform.Mix())
	behave.Library, behave.Segfault = stats.Counts, stats.Segfault
}

func main() { host.Main() }
