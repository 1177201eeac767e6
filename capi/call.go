// The Go end of pillion_call: what one call leaves behind for the next.

package capi

import (
	"sync"

	"pillion/host"
)

// call is what is needed for the time of one call. The strings of the request
// are not part of it: they are the application's to keep.
type call struct {
	host.Memory
	pairs []host.Pair
}

// What a call may keep for the next.
const (
	keepPairs = 256
	keepBytes = 64 << 10
)

var calls = sync.Pool{New: func() any { return new(call) }}

func takeCall() *call { return calls.Get().(*call) }

// giveBack may only be called when host.Serve has returned: nothing of the
// application reaches the Memory any more.
func (c *call) giveBack() {
	if cap(c.pairs) > keepPairs || cap(c.Headers) > keepPairs || cap(c.Body) > keepBytes {
		return
	}
	clear(c.pairs)
	clear(c.Headers)
	c.Reset()
	calls.Put(c)
}
