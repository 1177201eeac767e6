// Command app is the library of the tests: the applications of package behave
// behind the C ABI.
package main

import (
	_ "pillion/capi"
	"pillion/host"
	"pillion/test/behave"
)

func init() {
	behave.Register()
	behave.Library = counts
}

func main() { host.Main() }
