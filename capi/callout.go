// Everything that calls into C.

package capi

/*
#cgo noescape pl_part_new
#cgo nocallback pl_part_new
#cgo noescape pl_room_grow
#cgo nocallback pl_room_grow
#include "pl.h"
*/
import "C"

import (
	"log/slog"
	"unsafe"
)

func partNew(size uint64) *C.pl_part { return C.pl_part_new(C.uint64_t(size)) }

func roomGrow(room *C.pl_room, size uint64) { C.pl_room_grow(room, C.uint64_t(size)) }

func queueDestroy(q *C.pl_queue) { C.pl_queue_destroy(q) }

func publishName(name string) bool {
	return C.pl_app_publish((*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.uint64_t(len(name))) == C.PILLION_OK
}

func logMessage(level slog.Level, msg string) {
	C.pl_log(C.int32_t(level), (*C.char)(unsafe.Pointer(unsafe.StringData(msg))), C.uint64_t(len(msg)))
}

func logError(msg string) { logMessage(slog.LevelError, msg) }

func cEnviron() []string {
	env := []string{}
	for i := C.uint32_t(0); ; i++ {
		p := C.pl_environ(i)
		if p == nil {
			return env
		}
		env = append(env, C.GoString(p))
	}
}
