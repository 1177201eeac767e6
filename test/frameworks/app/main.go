// Command app is the library with the applications of package apps, and those
// of the behaviour table.
package main

import (
	_ "pillion/capi"
	"pillion/host"
	"pillion/test/behave"
	"pillion/test/frameworks/apps"
)

func init() {
	behave.Register()
	host.Handle(apps.Name, apps.Handler())
}

func main() { host.Main() }
