// The package's face: what importing it gives, and how its C is compiled.

// Package capi gives a Go program the C ABI of include/pillion.h. A program
// imports it for its effect,
//
//	import _ "pillion/capi"
//
// and is built with -buildmode=c-shared (or c-archive). The applications are
// those registered with package host.
//
// The caller's side of the border is C: request.c, queue.c, serve.c and call.c
// check arguments and keep the lists that the owner of a queue shares with the
// goroutines, so that an event loop's thread never enters Go. The Go side turns
// what stands in C memory into host.Exchange.
package capi

/*
#cgo CFLAGS: -std=gnu11 -I${SRCDIR}/../include -fvisibility=hidden -Wall -Wextra
#cgo LDFLAGS: -lpthread
*/
import "C"
