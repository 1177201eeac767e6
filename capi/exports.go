// What C calls: each export guards, converts, calls and returns a status.

package capi

/*
#include "pl.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"pillion/host"
)

// guard keeps a panic of ours from crossing the border.
func guard(rc *C.int32_t, status C.int32_t) {
	if v := recover(); v != nil {
		logError(fmt.Sprintf("PILLION-2001: internal error: %v\n%s", v, debug.Stack()))
		*rc = status
	}
}

//export pl_go_init
func pl_go_init(config *C.pillion_config) (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_START)
	s := settings(config)
	if config.crash_fd != 0 {
		s.CrashOutput = os.NewFile(uintptr(config.crash_fd), "crash output")
		defer s.CrashOutput.Close()
	}
	if rc = pl_go_apps(); rc != C.PILLION_OK {
		return rc
	}
	// Starts Go's poller now, while there are descriptors: without them it ends
	// the process.
	time.AfterFunc(time.Hour, func() {}).Stop()
	if err := host.Start(s); err != nil {
		return C.PILLION_E_START
	}
	return C.PILLION_OK
}

//export pl_go_stop
func pl_go_stop(drainMS, stopMS C.uint32_t) (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_TIMEOUT)
	if host.Stop(time.Duration(drainMS)*time.Millisecond, time.Duration(stopMS)*time.Millisecond) != nil {
		return C.PILLION_E_TIMEOUT
	}
	return C.PILLION_OK
}

var watchOnce sync.Once

//export pl_go_apps
func pl_go_apps() (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_MEMORY)
	watchOnce.Do(func() { host.Watch(addApp) })
	if !publishApps() {
		return C.PILLION_E_MEMORY
	}
	return C.PILLION_OK
}

var heapObjects = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
var heapLock sync.Mutex

//export pl_go_stats
func pl_go_stats(stats *C.pillion_stats_t) (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_STATE)
	heapLock.Lock()
	metrics.Read(heapObjects)
	stats.heap = C.uint64_t(heapObjects[0].Value.Uint64())
	heapLock.Unlock()
	stats.goroutines = C.uint64_t(runtime.NumGoroutine())
	stats.running = C.uint64_t(host.Running())
	stats.completed = C.uint64_t(host.Completed())
	n, held := host.Abandoned()
	stats.abandoned, stats.abandoned_bytes = C.uint64_t(n), C.uint64_t(held)
	return C.PILLION_OK
}

//export pl_go_call
func pl_go_call(msg *C.pl_message, room *C.pl_room, response *C.pillion_response) (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_ABORTED)
	c := takeCall()
	readMessage(&c.Request, msg, &c.pairs)
	c.room, c.response = room, response
	host.Serve(c)
	if !c.direct {
		fillResponse(room, response, c.Status, c.Headers, c.Trailers, c.Body)
	}
	end := c.End
	c.giveBack() // not after a panic or a Goexit
	switch {
	case room.filled == 0:
		return C.PILLION_E_MEMORY
	case end != host.Complete:
		return C.PILLION_E_ABORTED
	}
	return C.PILLION_OK
}

//export pl_go_call_event
func pl_go_call_event(app C.uint32_t, event *C.char, eventLen C.uint64_t, function *C.char, functionLen C.uint64_t, room *C.pl_room, response *C.pillion_response) (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_ABORTED)
	reply, err := host.ServeEvent(context.Background(), appName(uint32(app)),
		[]byte(goString(event, uint64(eventLen))), []byte(goString(function, uint64(functionLen))))
	if err != nil {
		logError("PILLION-2002: the event got no answer: " + err.Error())
	}
	switch {
	case errors.Is(err, host.ErrEvent):
		return C.PILLION_E_ARG
	case err != nil:
		return C.PILLION_E_ABORTED
	}
	if fillResponse(room, response, 0, nil, nil, reply); room.filled == 0 {
		return C.PILLION_E_MEMORY
	}
	return C.PILLION_OK
}

//export pl_go_queue
func pl_go_queue(q *C.pl_queue) (rc C.int32_t) {
	defer guard(&rc, C.PILLION_E_MEMORY)
	c, err := newConsumer(q)
	if err != nil {
		logError("PILLION-2003: cannot make a queue: " + err.Error())
		q.in_fd = -1 // closed
		return C.PILLION_E_OS
	}
	go c.run()
	return C.PILLION_OK
}
