// Who runs a queue's requests: its consumer, while that is quicker.

package capi

/*
#include "pl.h"
*/
import "C"

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Where handlers are quick, handing each to a goroutine of its own costs more
// than they do, and so does Go's poller to wake up by. While requests come
// thick, a consumer therefore is hot: it runs handlers itself and waits for more
// of them in a futex, which keeps its processor.
//
// No request waits for long behind a handler that is not quick. Leading the
// queue can be taken from a consumer that is in a handler: by the handler when
// it waits for its client, by the watch after two ticks without another turn.
// Somebody else leads then, and the one before ends with its handler.
type lead struct {
	turn  atomic.Uint64 // odd while the leader is in a handler
	heat  atomic.Uint32 // odd while hot
	dozes atomic.Uint32
	nudge atomic.Uint32 // what the watch asks of the leader

	// The leader's.
	submitted int // since counted
	counted   time.Time
	idle      int // dozes in a row without a wake
	heated    time.Time
	pause     time.Duration
	coldUntil time.Time
}

const (
	nudgeYield = 1 << iota
	nudgeCool
)

const (
	tick       = 2 * time.Millisecond // for each a thread wakes up and looks for work
	slowTicks  = 4                    // in a row, in which there was always a next
	idleDozes  = 8                    // in a row, of a tick each
	yieldTicks = 5                    // as often as Go would take a busy goroutine's processor
	thick      = 64                   // requests
	thickness  = 50 * time.Millisecond
	quick      = 25 * time.Microsecond // of a handler, when there is always a next
	shortPause = 20 * time.Millisecond
	longPause  = 5 * time.Second
)

var dozeLimit = syscall.NsecToTimespec(int64(tick))

func (l *lead) hot() bool { return l.heat.Load()&1 != 0 }

// came counts a request that comes while the consumer is not hot.
func (c *consumer) came() {
	if c.submitted++; c.submitted < thick {
		return
	}
	now := time.Now()
	if now.Sub(c.counted) < thickness && now.After(c.coldUntil) && runtime.GOMAXPROCS(0) > 1 {
		c.heated, c.idle = now, 0
		c.nudge.Store(0)
		go c.watch(c.heat.Add(1))
	}
	c.submitted, c.counted = 0, now
}

// cool makes the consumer hand requests to goroutines again. Slow handlers make
// it do so for the longer the less it had been hot.
func (c *consumer) cool(slow bool) {
	if !c.hot() {
		return
	}
	c.heat.Add(1)
	c.submitted, c.counted = 0, time.Time{}
	if !slow {
		return
	}
	now := time.Now()
	if now.Sub(c.heated) > 10*c.pause {
		c.pause = shortPause
	} else {
		c.pause = min(2*c.pause, longPause)
	}
	c.coldUntil = now.Add(c.pause)
}

// runHere runs x and says whether the consumer still leads.
func (c *consumer) runHere(x *exchange) bool {
	turn := c.turn.Add(1)
	x.lead, x.turn = c, turn
	x.run() // a handler may end this goroutine: the watch leads then
	return c.turn.CompareAndSwap(turn, turn+1)
}

// pass has another goroutine lead if the leader is in the handler of this turn.
func (c *consumer) pass(turn uint64) {
	if c.turn.CompareAndSwap(turn, turn+1) {
		c.cool(true)
		go c.run()
	}
}

// watch looks after a consumer as long as it is hot.
func (c *consumer) watch(heat uint32) {
	var turn uint64
	var dozes uint32
	var slow, ticks int
	last := time.Now()
	for {
		time.Sleep(tick)
		if c.heat.Load() != heat {
			return
		}
		now := c.turn.Load()
		if now == turn && now&1 != 0 && c.turn.CompareAndSwap(now, now+1) {
			c.cool(true)
			c.run()
			return
		}
		passed := time.Since(last)
		d := c.dozes.Load()
		if d == dozes && time.Duration(now-turn)/2*quick < passed {
			slow++
		} else {
			slow = 0
		}
		if slow == slowTicks {
			c.nudge.Or(nudgeCool)
		} else if ticks++; ticks%yieldTicks == 0 {
			c.nudge.Or(nudgeYield)
		}
		turn, dozes, last = now, d, last.Add(passed)
	}
}

// heed does what the watch has asked for.
func (c *consumer) heed() {
	if c.nudge.Swap(0)&nudgeCool != 0 {
		c.cool(true)
	}
	// Whatever else is to run on this processor gets its turn.
	runtime.Gosched()
}

// doze waits for the owner's next wake. None in a while ends the heat.
func (c *consumer) doze() {
	asleep := (*uint32)(&c.q.asleep)
	c.dozes.Add(1)
	atomic.StoreUint32(asleep, C.PL_DOZES)
	idle := false
	if atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&c.q.subs))) == nil {
		idle = !futexWait(asleep, C.PL_DOZES, &dozeLimit)
	}
	atomic.StoreUint32(asleep, 0)
	if !idle {
		c.idle = 0
	} else if c.idle++; c.idle == idleDozes {
		c.cool(false)
	}
}

// futexWait is false if the time is up. It keeps the goroutine's processor, but
// a signal ends it, with which Go stops goroutines.
func futexWait(word *uint32, value uint32, limit *syscall.Timespec) bool {
	const waitPrivate = 0 | 128
	_, _, err := syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), waitPrivate, uintptr(value), uintptr(unsafe.Pointer(limit)), 0, 0)
	return err != syscall.ETIMEDOUT
}
