// Everything that turns C bytes into Go values and back.

package capi

/*
#include "pl.h"
*/
import "C"

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"unsafe"

	"pillion/host"
)

// apps holds the names by index. What changes it, and published, is serialised:
// addApp by host, publishApps by publishing.
var apps atomic.Pointer[[]string]

var (
	publishing sync.Mutex
	published  int // names that C knows
)

func addApp(name string) {
	var names []string
	if p := apps.Load(); p != nil {
		names = *p
	}
	names = append(names[:len(names):len(names)], name)
	apps.Store(&names) // before C can ask for it by index
	if !publishApps() {
		logError("PILLION-2005: out of memory: the server cannot find the application " + name)
	}
}

// publishApps tells C the names that it does not know, and says whether it knows
// them all then.
func publishApps() bool {
	publishing.Lock()
	defer publishing.Unlock()
	p := apps.Load()
	for p != nil && published < len(*p) {
		if !publishName((*p)[published]) {
			return false
		}
		published++
	}
	return true
}

func appName(i uint32) string { return (*apps.Load())[i] }

func goString(p *C.char, n uint64) string {
	if n == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(p)), n))
}

func goBytes(p *C.char, n uint64) []byte {
	if n == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(p)), n)...)
}

func cPairs(p *C.pillion_pair, n C.uint32_t) []C.pillion_pair {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(p, int(n))
}

func settings(c *C.pillion_config) host.Settings {
	s := host.Settings{
		Environ:        cEnviron(),
		GOMAXPROCS:     int(c.gomaxprocs),
		GCPercent:      int(c.gc_percent),
		MemoryLimit:    int64(c.memory_limit),
		IgnoreSIGPIPE:  c.flags&C.PILLION_CONFIG_IGNORE_SIGPIPE != 0,
		ServerSoftware: goString(c.server_software, uint64(c.server_software_len)),
		Log:            logMessage,
		LogLevel:       slog.Level(c.log_level),
	}
	for _, p := range cPairs(c.env, c.env_len) {
		s.Env = append(s.Env, host.Pair{
			Name:  goString(p.name, uint64(p.name_len)),
			Value: goString(p.value, uint64(p.value_len)),
		})
	}
	return s
}

// readMessage copies a request. All its strings share one allocation. The pairs
// are taken from room.
func readMessage(m *host.Message, r *C.pl_message, room *[]host.Pair) {
	environ, headers := int(r.environ_len), int(r.headers_len)
	pairs := takeRoom(room, environ+headers)
	text := copyText(r.text, uint64(r.text_len))
	cutPairs(pairs, r.lens, text)
	m.App = appName(uint32(r.app))
	m.Environ, m.Headers = pairs[:environ:environ], pairs[environ:]
	m.Spare = text[uint64(r.text_len):]
	m.Body = goBytes(r.body, uint64(r.body_len))
	m.More = r.flags&C.PILLION_REQUEST_MORE != 0
	m.Files = r.flags&C.PILLION_REQUEST_FILES != 0
	m.Hijack = r.flags&C.PILLION_REQUEST_HIJACK != 0
}

// environ copies a request's variables once more.
func environ(r *C.pl_message) []host.Pair {
	n := int(r.environ_len)
	pairs := make([]host.Pair, n, n+1) // a server's software may be added
	cutPairs(pairs, r.lens, copyText(r.text, uint64(r.text_len)))
	return pairs
}

// takeRoom makes *room n pairs long.
func takeRoom(room *[]host.Pair, n int) []host.Pair {
	if n > cap(*room) {
		*room = make([]host.Pair, n)
	}
	*room = (*room)[:n]
	return *room
}

// behind is how many bytes follow a text that strings are cut from: enough for
// the RemoteAddr that host makes, and one at least, as a string without bytes
// must not point behind the allocation.
const behind = 64

// copyText copies a text into one allocation.
func copyText(p *C.char, n uint64) []byte {
	text := make([]byte, n+behind)
	copy(text, unsafe.Slice((*byte)(unsafe.Pointer(p)), n))
	return text
}

// cutPairs cuts pairs from text, by the lengths of names and values at lens,
// which add up to all of it but what is behind.
func cutPairs(pairs []host.Pair, lens *C.uint32_t, text []byte) {
	if len(pairs) == 0 {
		return
	}
	at := unsafe.Pointer(unsafe.SliceData(text))
	of := unsafe.Slice((*[2]uint32)(unsafe.Pointer(lens)), len(pairs))
	for i := range pairs {
		name, value := int(of[i][0]), int(of[i][1])
		next := unsafe.Add(at, name)
		pairs[i] = host.Pair{Name: unsafe.String((*byte)(at), name), Value: unsafe.String((*byte)(next), value)}
		at = unsafe.Add(next, value)
	}
}

// requestTrailers copies what followed the request body, once it has ended.
func requestTrailers(r *C.pl_req) []host.Pair {
	n := uintptr(r.trailers_len)
	if n == 0 {
		return nil
	}
	text := unsafe.Add(unsafe.Pointer(r.trailers), n*2*unsafe.Sizeof(C.uint32_t(0)))
	pairs := make([]host.Pair, n)
	cutPairs(pairs, r.trailers, copyText((*C.char)(text), uint64(r.trailers_text)))
	return pairs
}

// pairsSize is how much C memory putPairs needs.
func pairsSize(pairs []host.Pair) uintptr {
	n := uintptr(len(pairs)) * unsafe.Sizeof(C.pillion_pair{})
	for i := range pairs {
		n += uintptr(len(pairs[i].Name) + len(pairs[i].Value))
	}
	return n
}

// putPairs writes the pairs to the C memory at p, which must be aligned for a
// pointer, and their bytes to text; it returns what follows them.
func putPairs(p, text unsafe.Pointer, pairs []host.Pair) unsafe.Pointer {
	for i := range pairs {
		c := (*C.pillion_pair)(unsafe.Add(p, uintptr(i)*unsafe.Sizeof(C.pillion_pair{})))
		name, value := pairs[i].Name, pairs[i].Value
		c.name, c.name_len = (*C.char)(text), C.uint32_t(len(name))
		text = putString(text, name)
		c.value, c.value_len = (*C.char)(text), C.uint32_t(len(value))
		text = putString(text, value)
	}
	return text
}

// clearPointers zeroes C memory that pointers will be written to: the collector
// looks at what a pointer replaces, and takes it for one of its own.
func clearPointers(p unsafe.Pointer, n uintptr) {
	clear(unsafe.Slice((*byte)(p), n))
}

func putString(p unsafe.Pointer, s string) unsafe.Pointer {
	copy(unsafe.Slice((*byte)(p), len(s)), s)
	return unsafe.Add(p, len(s))
}

func putBytes(p unsafe.Pointer, b []byte) {
	copy(unsafe.Slice((*byte)(p), len(b)), b)
}

// newPart makes a C part of a head, or of trailers, and body bytes, if it can
// in the memory that r has kept; nil if there is no memory.
func newPart(r *C.pl_req, pairs []host.Pair, body []byte) *C.pl_part {
	head := unsafe.Sizeof(C.pl_part{})
	need := uint64(head + pairsSize(pairs) + uintptr(len(body)))
	p := r.spare
	if p != nil && uint64(p.size) >= need {
		r.spare = nil
		atomic.AddUint64((*uint64)(&C.pl_count.made), uint64(p.size))
	} else if p = partNew(need); p == nil {
		return nil
	}
	size := p.size
	clearPointers(unsafe.Pointer(p), head+uintptr(len(pairs))*unsafe.Sizeof(C.pillion_pair{}))
	*p = C.pl_part{size: size, pairs_len: C.uint32_t(len(pairs)), body_len: C.uint64_t(len(body))}
	at := unsafe.Add(unsafe.Pointer(p), head)
	text := at
	if len(pairs) > 0 {
		p.pairs = (*C.pillion_pair)(at)
		text = unsafe.Add(at, uintptr(len(pairs))*unsafe.Sizeof(C.pillion_pair{}))
		text = putPairs(at, text, pairs)
	}
	if len(body) > 0 {
		p.body = (*C.char)(text)
		putBytes(text, body)
	}
	return p
}

// fillResponse writes a whole response into C's room for it, or does not if
// there is no memory.
func fillResponse(room *C.pl_room, c *C.pillion_response, status int, headers, trailers []host.Pair, body []byte) {
	pair := unsafe.Sizeof(C.pillion_pair{})
	size := uint64(pairsSize(headers) + pairsSize(trailers) + uintptr(len(body)))
	if size > uint64(room.size) {
		if roomGrow(room, size); room.at == nil {
			return
		}
	}
	room.filled = 1
	at := room.at
	clearPointers(at, uintptr(len(headers)+len(trailers))*pair)
	c.status = C.int32_t(status)
	last := unsafe.Add(at, uintptr(len(headers))*pair)
	text := unsafe.Add(last, uintptr(len(trailers))*pair)
	if len(headers) > 0 {
		c.headers, c.headers_len = (*C.pillion_pair)(at), C.uint32_t(len(headers))
		text = putPairs(at, text, headers)
	}
	if len(trailers) > 0 {
		c.trailers, c.trailers_len = (*C.pillion_pair)(last), C.uint32_t(len(trailers))
		text = putPairs(last, text, trailers)
	}
	if len(body) > 0 {
		c.body, c.body_len = (*C.char)(text), C.uint64_t(len(body))
		putBytes(text, body)
	}
}

// ringRead moves bytes of the request body from the ring to p.
func ringRead(r *C.pl_req, p []byte) int {
	eaten := uint64(r.eaten)
	have := atomic.LoadUint64((*uint64)(&r.fed)) - eaten
	if have == 0 || len(p) == 0 {
		return 0
	}
	cap := uint64(r.ring_cap)
	ring := unsafe.Slice((*byte)(unsafe.Pointer(r.ring)), cap)
	at := eaten & (cap - 1)
	n := copy(p, ring[at:min(at+have, cap)])
	if uint64(n) < have {
		n += copy(p[n:], ring[:have-uint64(n)])
	}
	atomic.StoreUint64((*uint64)(&r.eaten), eaten+uint64(n))
	return n
}
