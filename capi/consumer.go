// The Go end of a queue: takes submissions and wakes whoever waits for them.

package capi

/*
#include "pl.h"
*/
import "C"

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A consumer takes a queue's commands, on one goroutine at a time: the leader.
type consumer struct {
	q    *C.pl_queue
	in   *os.File
	wait syscall.RawConn // for in
	lead

	// The leader's.
	exchanges []*exchange // one for each request slot
	todo      *C.pl_req   // taken from the submission list, oldest first

	waited bool
	ready  func(uintptr) bool // c.isReady, made once
}

// newConsumer fails if Go cannot wait for the queue's descriptor.
func newConsumer(q *C.pl_queue) (*consumer, error) {
	c := &consumer{q: q, in: os.NewFile(uintptr(q.in_fd), "pillion queue"), lead: lead{pause: shortPause}}
	err := c.in.SetReadDeadline(time.Time{})
	if err == nil {
		c.wait, err = c.in.SyscallConn()
	}
	if err != nil {
		c.in.Close()
		return nil, err
	}
	c.ready = c.isReady
	return c, nil
}

// sleep waits for the owner's next write to in, which follows its clearing
// asleep, or its setting closing. Go's poller is told of each write, so nothing
// is ever read. It may return early.
func (c *consumer) sleep() error {
	c.waited = false
	return c.wait.Read(c.ready)
}

// isReady is called before the wait and after it. Before it, the poller has just
// forgotten the writes that there were: what they came with is looked at once
// more.
func (c *consumer) isReady(uintptr) bool {
	waited := c.waited
	c.waited = true
	return waited || atomic.LoadUint32((*uint32)(&c.q.asleep)) == 0 ||
		atomic.LoadUint32((*uint32)(&c.q.closing)) != 0
}

// run leads the queue until it is closed or somebody else leads.
func (c *consumer) run() {
	for {
		worked, leads := c.drain()
		if !leads {
			return
		}
		hot := c.hot()
		if hot && c.nudge.Load() != 0 {
			c.heed()
			continue
		}
		if worked {
			if !hot {
				// Whoever was started gets a turn, and the owner time to ask
				// for more, before this goroutine costs it a wake-up.
				runtime.Gosched()
			}
			continue
		}
		closing := atomic.LoadUint32((*uint32)(&c.q.closing)) != 0
		if hot && !closing {
			c.doze()
			continue
		}
		atomic.StoreUint32((*uint32)(&c.q.asleep), C.PL_ASLEEP)
		if atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&c.q.subs))) != nil {
			atomic.StoreUint32((*uint32)(&c.q.asleep), 0)
			continue
		}
		if closing {
			// Soon, and then nobody writes to in any more.
			for atomic.LoadUint32((*uint32)(&c.q.closing)) != 2 {
				runtime.Gosched()
			}
			break
		}
		if err := c.sleep(); err != nil {
			logError("PILLION-2004: cannot wait for requests: " + err.Error())
			break
		}
		atomic.StoreUint32((*uint32)(&c.q.asleep), 0)
	}
	c.cool(false)
	c.close()
}

// drain does what has been asked for, oldest first. It says whether there was
// anything and whether the goroutine still leads.
func (c *consumer) drain() (worked, leads bool) {
	if c.todo == nil && !c.take() {
		return false, true
	}
	for r := c.todo; r != nil; r = c.todo {
		c.todo = r.sub_next
		x := c.obey(r, atomic.SwapUint32((*uint32)(&r.cmds), 0))
		unref(r)
		switch {
		case x == nil:
		case !c.hot():
			pool.start(x)
			c.came()
		case !c.runHere(x):
			return true, false
		case c.nudge.Load()&nudgeCool != 0:
			c.heed()
		}
	}
	return true, true
}

// take moves the submission list to todo. It is false if there is none.
func (c *consumer) take() bool {
	newest := (*C.pl_req)(atomic.SwapPointer((*unsafe.Pointer)(unsafe.Pointer(&c.q.subs)), nil))
	for r := newest; r != nil; {
		next := r.sub_next
		r.sub_next = c.todo
		c.todo, r = r, next
	}
	return newest != nil
}

// obey returns the request that is to run, if cmds begin one.
func (c *consumer) obey(r *C.pl_req, cmds uint32) *exchange {
	slot := int(r.slot)
	if cmds&C.PL_CMD_SUBMIT != 0 {
		for slot >= len(c.exchanges) {
			c.exchanges = append(c.exchanges, nil)
		}
		if c.exchanges[slot] == nil {
			c.exchanges[slot] = newExchange(r)
		}
		c.exchanges[slot].begin()
	}
	x := c.exchanges[slot]
	if cmds&(C.PL_CMD_CANCEL|C.PL_CMD_RELEASE) != 0 {
		x.abandon(cmds&C.PL_CMD_RELEASE != 0)
	}
	if cmds&C.PL_CMD_FEED != 0 {
		x.body.wake()
	}
	if cmds&C.PL_CMD_CREDIT != 0 {
		x.room.wake()
	}
	if cmds&C.PL_CMD_SUBMIT == 0 {
		return nil
	}
	return x
}

// close runs after the owner has freed the queue and all its requests: nothing
// is put on the completion list any more.
func (c *consumer) close() {
	c.in.Close()
	r := (*C.pl_req)(atomic.SwapPointer((*unsafe.Pointer)(unsafe.Pointer(&c.q.comps)), nil))
	for r != nil {
		next := r.cmp_next
		unref(r)
		r = next
	}
	queueUnref(c.q)
}

func unref(r *C.pl_req) {
	if atomic.AddUint32((*uint32)(&r.refs), ^uint32(0)) != 0 {
		return
	}
	q := r.queue
	push(&q.recycled, &r.free_next, r)
	queueUnref(q)
}

func queueUnref(q *C.pl_queue) {
	if atomic.AddUint32((*uint32)(&q.refs), ^uint32(0)) == 0 {
		queueDestroy(q)
	}
}

// push puts r at the head of a list and returns the head it replaced.
func push(head **C.pl_req, link **C.pl_req, r *C.pl_req) *C.pl_req {
	h := (*unsafe.Pointer)(unsafe.Pointer(head))
	for {
		old := atomic.LoadPointer(h)
		*link = (*C.pl_req)(old)
		if atomic.CompareAndSwapPointer(h, old, unsafe.Pointer(r)) {
			return (*C.pl_req)(old)
		}
	}
}
