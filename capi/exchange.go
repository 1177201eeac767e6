// One request of a queue, as package host sees it.

package capi

/*
#include "pl.h"
*/
import "C"

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"pillion/host"
)

// ErrGone is why reads, writes and contexts of a request fail when its client
// has left or the server has cancelled it.
var ErrGone = errors.New("pillion: the client has left or the server cancelled the request")

// ErrMemory is what a write fails with when there is no memory for its bytes.
var ErrMemory = errors.New("pillion: out of memory")

// maxInfos bounds the informational heads of a request: their memory lives
// until its end, and no credit limits them.
const maxInfos = 64

// An exchange carries one request between host, on the request's goroutine, and
// the structure r that it shares with the owner of the queue. With r it goes from
// one request to the next.
type exchange struct {
	r     *C.pl_req
	next  *exchange // that waits for a worker, after this one
	draft *draft    // until the handler is called
	body  gate
	room  gate
	serve bool
	lead  *consumer // if it runs the request itself, in this turn
	turn  uint64

	// The request's goroutines.
	sent    uint64
	infos   int
	flushed bool // nothing was sent since the last flush
	roomed  bool // the first ROOM has been signalled
	raw     bool // the application has taken the connection over

	gone atomic.Bool

	mu       sync.Mutex
	cancel   host.Abandoner
	released bool // the caller looks at r no more
	ended    bool
}

func newExchange(r *C.pl_req) *exchange {
	return &exchange{r: r, serve: r.queue.serve != 0}
}

// begin makes x that of r's next request. The one before has been finished.
func (x *exchange) begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent, x.infos, x.flushed, x.roomed, x.raw = 0, 0, true, false, false
	x.released, x.ended = false, false
	x.lead = nil
	x.gone.Store(false)
	x.body.renew()
	x.room.renew()
}

func (x *exchange) Message() *host.Message { return &x.draft.msg }

// abandon tells the request's goroutine that its client has left.
func (x *exchange) abandon(released bool) {
	x.mu.Lock()
	cancel := x.cancel
	x.cancel = nil
	x.released = x.released || released
	first := !x.gone.Swap(true)
	ended := x.ended
	x.mu.Unlock()
	if ended || !first {
		return
	}
	x.body.wake()
	x.room.wake()
	if cancel != nil {
		cancel.Abandon(ErrGone)
	}
}

// abandonFunc is an Abandoner of OnCancel's.
type abandonFunc func(cause error)

func (f abandonFunc) Abandon(cause error) { f(cause) }

func (x *exchange) OnCancel(f func(cause error)) { x.Cancels(abandonFunc(f)) }

func (x *exchange) Cancels(a host.Abandoner) {
	x.mu.Lock()
	gone := x.gone.Load()
	if !gone {
		x.cancel = a
	}
	x.mu.Unlock()
	if gone {
		a.Abandon(ErrGone)
	}
}

func (x *exchange) SetReadDeadline(t time.Time) error {
	x.body.setDeadline(t)
	return nil
}

func (x *exchange) SetWriteDeadline(t time.Time) error {
	x.room.setDeadline(t)
	return nil
}

// wait blocks until ready says yes. bit tells the owner's thread to send a
// command when it has changed something.
func (x *exchange) wait(g *gate, bit uint32, ready func() bool, announce func()) error {
	for {
		ch, err := g.prepare()
		if err != nil {
			return err
		}
		waits := (*uint32)(&x.r.waits)
		atomic.OrUint32(waits, bit)
		if ready() {
			atomic.AndUint32(waits, ^bit)
			return nil
		}
		if x.gone.Load() {
			return ErrGone
		}
		if announce != nil {
			announce()
		}
		if x.lead != nil {
			x.lead.pass(x.turn)
		}
		<-ch
		atomic.AndUint32(waits, ^bit)
	}
}

func (x *exchange) Read(p []byte) (int, error) {
	r := x.r
	if len(p) == 0 {
		return 0, nil
	}
	if x.body.passed() {
		return 0, os.ErrDeadlineExceeded
	}
	for {
		if n := ringRead(r, p); n > 0 {
			x.refill()
			return n, nil
		}
		// The end is looked at before the bytes that may have come with it.
		if x.eof() {
			if n := ringRead(r, p); n > 0 {
				return n, nil
			}
			return 0, io.EOF
		}
		if err := x.wait(&x.body, C.PL_WAIT_BODY, x.readable, x.askForBody); err != nil {
			return 0, err
		}
	}
}

func (x *exchange) readable() bool {
	r := x.r
	return atomic.LoadUint64((*uint64)(&r.fed)) != uint64(r.eaten) || x.eof()
}

// eof says whether all bytes there will be have been fed. On a connection that
// was taken over the end of the request body before it is none.
func (x *exchange) eof() bool {
	if x.raw && atomic.LoadUint32((*uint32)(&x.r.raw)) == 0 {
		return false
	}
	return atomic.LoadUint32((*uint32)(&x.r.eof)) != 0
}

// askForBody makes the owner hand over body: in serve, whose caller reads only
// when asked, each time; in queue the first time, for 100 Continue.
func (x *exchange) askForBody() {
	if x.raw {
		return // it comes by itself
	}
	if x.serve || (!x.roomed && atomic.LoadUint64((*uint64)(&x.r.fed)) == 0) {
		x.roomed = true
		x.signal(C.PL_SIG_ROOM)
	}
}

// refill lets a caller that was told "full" go on when half the window is free.
func (x *exchange) refill() {
	r := x.r
	starved := (*uint32)(&r.starved)
	if atomic.LoadUint32(starved) == 0 {
		return
	}
	if atomic.LoadUint64((*uint64)(&r.fed))-uint64(r.eaten) > uint64(min(r.ring_cap, r.window))/2 {
		return
	}
	if atomic.SwapUint32(starved, 0) != 0 {
		x.signal(C.PL_SIG_ROOM)
	}
}

func (x *exchange) RequestTrailers() []host.Pair { return requestTrailers(x.r) }

func (x *exchange) Hijack() error {
	if x.gone.Load() {
		return ErrGone
	}
	if err := x.put(newPart(x.r, nil, nil), C.PILLION_EVENT_HIJACK, 0); err != nil {
		return err
	}
	x.raw, x.roomed = true, true
	return nil
}

func (x *exchange) Send(p *host.Part) error {
	p.Sent = 0
	if p.End == host.Open {
		if x.gone.Load() {
			return ErrGone
		}
		if x.room.passed() {
			return os.ErrDeadlineExceeded
		}
	}
	if p.File == nil {
		return x.sendPieces(p)
	}
	fd, err := duplicate(p.File)
	if err != nil {
		return err
	}
	if err := x.sendPieces(p); err != nil {
		syscall.Close(fd)
		return err
	}
	return x.sendFile(p, fd)
}

// sendPieces sends a part without its file.
func (x *exchange) sendPieces(p *host.Part) error {
	var flags C.uint32_t
	headers := p.Headers
	switch {
	case p.Status == 0:
	case p.Status < 200:
		if x.infos++; x.infos > maxInfos {
			return nil
		}
		flags = C.PILLION_EVENT_INFO
	default:
		flags = C.PILLION_EVENT_HEAD
	}
	body := p.Body
	for {
		piece := body
		if p.End == host.Open && len(body) > 0 {
			n, err := x.allowance(len(body), flags != 0)
			if err != nil {
				return err
			}
			piece = body[:n]
		}
		body = body[len(piece):]
		f := flags
		if len(piece) > 0 {
			f |= C.PILLION_EVENT_BODY
		}
		if len(body) == 0 {
			err := x.sendLast(p, f, headers, piece)
			if err == nil {
				p.Sent += int64(len(piece))
			}
			return err
		}
		if err := x.put(newPart(x.r, headers, piece), f, p.Status); err != nil {
			return err
		}
		p.Sent += int64(len(piece))
		flags, headers = 0, nil
	}
}

// sendFile hands a file's descriptor over, and waits until the server has
// credited its bytes.
func (x *exchange) sendFile(p *host.Part, fd int) error {
	c := newPart(x.r, nil, nil)
	if c == nil {
		syscall.Close(fd)
		return ErrMemory
	}
	c.file, c.file_offset, c.file_len = C.int32_t(fd), C.uint64_t(p.Offset), C.uint64_t(p.Length)
	before := x.sent
	if err := x.put(c, C.PILLION_EVENT_FILE, 0); err != nil {
		return err
	}
	credited := (*uint64)(&x.r.credited)
	awaited := (*uint64)(&x.r.awaited)
	atomic.StoreUint64(awaited, x.sent)
	err := x.wait(&x.room, C.PL_WAIT_CREDIT, func() bool { return atomic.LoadUint64(credited) >= x.sent }, nil)
	atomic.StoreUint64(awaited, 0)
	if now := atomic.LoadUint64(credited); now > before {
		p.Sent += int64(min(now-before, uint64(p.Length)))
	}
	return err
}

// duplicate makes a descriptor of file's that lives as long as the server needs
// it, whatever the application does with its own.
func duplicate(file host.File) (int, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return -1, errors.ErrUnsupported
	}
	var fd uintptr
	var failed syscall.Errno
	err = raw.Control(func(its uintptr) {
		fd, _, failed = syscall.Syscall(syscall.SYS_FCNTL, its, syscall.F_DUPFD_CLOEXEC, 3)
	})
	if err != nil || failed != 0 {
		return -1, errors.ErrUnsupported
	}
	return int(fd), nil
}

// sendLast sends the last piece of a part, with what follows the body.
func (x *exchange) sendLast(p *host.Part, f C.uint32_t, headers []host.Pair, piece []byte) error {
	if p.Flush && (f != 0 || !x.flushed) {
		f |= C.PILLION_EVENT_FLUSH
	}
	end := C.uint32_t(0)
	switch p.End {
	case host.Complete:
		end = C.PILLION_EVENT_COMPLETE
	case host.Aborted:
		end = C.PILLION_EVENT_ABORTED
	}
	if len(p.Trailers) > 0 {
		if f != 0 {
			if err := x.put(newPart(x.r, headers, piece), f, p.Status); err != nil {
				if end != 0 && err == ErrMemory {
					x.put(nil, end, 0)
				}
				return err
			}
		}
		return x.put(newPart(x.r, p.Trailers, nil), C.PILLION_EVENT_TRAILERS|end, 0)
	}
	if f|end == 0 {
		return nil
	}
	return x.put(newPart(x.r, headers, piece), f|end, p.Status)
}

// allowance waits for credit and says how many of n bytes may go out now. With
// a head to send, none is an answer too.
func (x *exchange) allowance(n int, head bool) (int, error) {
	free := x.free()
	if free == 0 && !head {
		err := x.wait(&x.room, C.PL_WAIT_CREDIT, func() bool { return x.free() > 0 }, nil)
		if err != nil {
			return 0, err
		}
		free = x.free()
	}
	return int(min(uint64(n), free)), nil
}

func (x *exchange) free() uint64 {
	out := x.sent - atomic.LoadUint64((*uint64)(&x.r.credited))
	return uint64(x.r.credit) - min(out, uint64(x.r.credit))
}

// put appends a part to the response. Nothing is appended once the caller has
// released the request.
func (x *exchange) put(c *C.pl_part, flags C.uint32_t, status int) error {
	const ends = C.PILLION_EVENT_COMPLETE | C.PILLION_EVENT_ABORTED
	if c == nil && flags&ends == 0 {
		return ErrMemory
	}
	if c == nil {
		// The end must be told even when there is no memory to tell it in.
		c = &x.r.last
		flags = C.PILLION_EVENT_ABORTED
	}
	c.flags = flags
	c.status = C.int32_t(status)
	x.sent += uint64(c.body_len + c.file_len)
	x.flushed = flags&C.PILLION_EVENT_FLUSH != 0

	x.mu.Lock()
	defer x.mu.Unlock()
	if x.released {
		// It is freed with the request.
		x.append(c)
		return ErrGone
	}
	end := flags&ends != 0
	if end {
		x.ended = true
		atomic.StoreUint32((*uint32)(&x.r.shut), 1)
	}
	x.append(c)
	x.signalLocked(0)
	if end {
		// Last: who sees it need not tell the goroutine of a release.
		atomic.StoreUint32((*uint32)(&x.r.ended), 1)
	}
	return nil
}

func (x *exchange) append(c *C.pl_part) {
	r := x.r
	tail := r.tail
	r.tail = c
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&tail.next)), unsafe.Pointer(c))
}

// Held returns how much C memory is kept for the application alone: the caller
// has released the request, so its lists stay as they are but for what the
// application sends.
func (x *exchange) Held() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.released {
		return 0
	}
	r := x.r
	n := uint64(r.block_len) + uint64(r.ring_cap)
	for _, p := range []*C.pl_part{r.oldest, r.kept} {
		for ; p != nil; p = (*C.pl_part)(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&p.next)))) {
			n += uint64(p.size)
		}
	}
	return int64(n)
}

func (x *exchange) signal(bit uint32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.released && !x.ended {
		x.signalLocked(bit)
	}
}

// signalLocked tells the caller that r has something new.
func (x *exchange) signalLocked(bit uint32) {
	r := x.r
	sigs := (*uint32)(&r.sigs)
	if x.serve {
		if atomic.OrUint32(sigs, bit|C.PL_SIG_QUEUED) == 0 {
			futexWake(sigs)
			if fd := atomic.LoadInt32((*int32)(&r.wake_fd)); fd != -1 {
				eventfdAdd(fd)
			}
		}
		return
	}
	atomic.AddUint32((*uint32)(&r.refs), 1)
	if atomic.OrUint32(sigs, bit|C.PL_SIG_QUEUED)&C.PL_SIG_QUEUED != 0 {
		atomic.AddUint32((*uint32)(&r.refs), ^uint32(0))
		return
	}
	q := r.queue
	armed := (*uint32)(&q.armed)
	if push(&q.comps, &r.cmp_next, r) == nil && atomic.LoadUint32(armed) != 0 && atomic.SwapUint32(armed, 0) != 0 {
		announce(q)
	}
}

// finish drops the goroutine's side of the request; after it nothing of x
// touches r.
func (x *exchange) finish() {
	x.body.stop()
	x.room.stop()
	if x.draft != nil {
		x.TakeBack()
	}
	x.mu.Lock()
	x.ended = true
	x.cancel = nil
	x.mu.Unlock()
	unref(x.r)
}

func announce(q *C.pl_queue) {
	atomic.AddUint64((*uint64)(&C.pl_count.wakes_out), 1)
	eventfdAdd(int32(q.out_fd))
	atomic.StoreUint32((*uint32)(&q.announced), 1)
}

func eventfdAdd(fd int32) {
	one := [8]byte{1}
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}

func futexWake(word *uint32) {
	const wakePrivate = 1 | 128
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), wakePrivate, 1, 0, 0, 0)
}
