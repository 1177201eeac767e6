// How often the garbage collector runs.

package host

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// A server's worker has a heap of its own, and next to nothing that lives in it.
// By Go's own rule it is collected whenever it has reached 4 MiB, which with
// large requests is a hundred times a second, and stops the goroutine that runs
// handlers each time. So it may have about someGarbage for as long as neither the
// operator nor the application has set another GOGC than Go's own. Heaps in which
// as much lives are collected as ever.
const (
	someGarbage  = 8 << 20
	mostPercent  = 200 // what Go's 4 MiB are a hundred of
	usualPercent = 100
)

// percentFor is GOGC for a heap in which so many bytes live, in steps: to change
// it stops the world.
func percentFor(live uint64) int {
	const step = 25
	if live == 0 {
		return mostPercent
	}
	percent := uint64(usualPercent) * someGarbage / live / step * step
	return int(min(max(percent, usualPercent), mostPercent))
}

// A collector sets GOGC after each collection.
type collector struct {
	percent int // as it was set last
}

// keepRoom begins it, unless GOGC is in the environment. Go may have been
// started before that was what it is now.
func (c *collector) keepRoom() {
	c.percent = usualPercent
	text, set := os.LookupEnv("GOGC")
	if !set {
		c.adjust()
		return
	}
	percent, err := strconv.Atoi(text)
	if text == "off" {
		percent, err = -1, nil
	}
	if err == nil && gogc() == usualPercent {
		debug.SetGCPercent(percent)
	}
}

// gogc is what is in force, -1 if the collector is off.
func gogc() int {
	read := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(read)
	return int(read[0].Value.Uint64())
}

// adjust sets GOGC, now and after the next collection, unless it is somebody
// else's now.
func (c *collector) adjust() {
	if gogc() != c.percent {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if percent := percentFor(live[0].Value.Uint64()); percent != c.percent {
		if was := debug.SetGCPercent(percent); was != c.percent {
			debug.SetGCPercent(was) // set since it was read
			return
		}
		c.percent = percent
	}
	runtime.AddCleanup(new([2]uintptr), (*collector).adjust, c)
}
