// The Go end of pillion_call: what one call leaves behind for the next.

package capi

/*
#include "pl.h"
*/
import "C"

import (
	"sync"

	"pillion/host"
)

// call is what is needed for the time of one call. The strings of the request
// are not part of it: they are the application's to keep.
type call struct {
	host.Memory
	pairs []host.Pair

	// What C has for the response.
	room     *C.pl_room
	response *C.pillion_response
	direct   bool // the response is there already
}

// Send puts a response that comes whole where C wants it, without a stop in the
// Memory.
func (c *call) Send(p *host.Part) error {
	if p.End != host.Complete || p.Status < 200 {
		return c.Memory.Send(p)
	}
	c.direct, c.End = true, p.End
	p.Sent = int64(len(p.Body))
	fillResponse(c.room, c.response, p.Status, p.Headers, p.Trailers, p.Body)
	return nil
}

// OnCancel and Cancels do nothing: nobody cancels a call.
func (c *call) OnCancel(func(cause error)) {}
func (c *call) Cancels(host.Abandoner)     {}

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
	c.room, c.response, c.direct = nil, nil, false
	calls.Put(c)
}
