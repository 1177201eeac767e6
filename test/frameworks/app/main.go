// Command app is the library with the applications of package apps, and those
// of the behaviour table.
package main

import (
	_ "pillion/capi"
	"pillion/host"
	"pillion/test/behave"
	"pillion/test/frameworks/apps"
	"pillion/test/stats"
)

func init() {
	behave.Register()
	host.Handle(apps.Name, apps.Handler())
	behave.Library = stats.Counts
}

func main() { host.Main() }
