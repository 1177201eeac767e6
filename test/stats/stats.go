// Package stats asks the library from inside what it holds, for servers that show
// no numbers, and does in C what no Go can.
package stats

/*
#cgo CFLAGS: -I${SRCDIR}/../../include
#include <string.h>
#include "pillion.h"

static void segfault(void)
{
    *(volatile int *) 8 = 1;
}

static pillion_stats_t stats(void)
{
    pillion_stats_t s = PILLION_STATS_INIT;

    if (pillion_stats(&s) != PILLION_OK) {
        memset(&s, 0, sizeof(s));
    }
    return s;
}
*/
import "C"

import "pillion/test/behave"

// Counts is pillion_stats.
func Counts() behave.Counts {
	s := C.stats()
	return behave.Counts{
		Queues: int(s.queues), Requests: int64(s.requests), Responses: int64(s.responses),
		Running: int64(s.running), Buffered: int64(s.buffered),
		WakesIn: int64(s.wakes_in), WakesOut: int64(s.wakes_out), Completed: int64(s.completed),
		Abandoned: int64(s.abandoned), AbandonedBytes: int64(s.abandoned_bytes),
	}
}

// Segfault writes where nothing is.
func Segfault() { C.segfault() }
