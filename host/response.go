// The ResponseWriter.

package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// ErrHandlerReturned is what the methods of a ResponseWriter return after the
// handler it was given to has returned.
var ErrHandlerReturned = errors.New("host: the handler has returned")

const (
	beforeHead = 2048 // bytes collected before the head goes out, as net/http
	afterHead  = 4096 // and later
	sniffLen   = 512  // bytes http.DetectContentType looks at
	copyLen    = 32 << 10
)

var (
	scratches   = sync.Pool{New: func() any { return new(scratch) }}
	copyBuffers = sync.Pool{New: func() any { return new([copyLen]byte) }}
)

// scratch is what a response needs only while it is made: it goes from one
// request to the next.
type scratch struct {
	part  Part
	head  head
	pairs [12]Pair
	body  [afterHead]byte
}

// response is the http.ResponseWriter of one request. It also implements
// http.Flusher, http.CloseNotifier, io.ReaderFrom, io.StringWriter and what
// http.ResponseController looks for, but no Pusher; see hijackable for
// http.Hijacker.
//
// mu guards all fields but header, which is the handler's, and is held while
// the Exchange sends. over says that the handler has returned and the last part
// is sent: the Exchange is out of bounds then.
type response struct {
	s         *serving
	header    http.Header // nil until the handler asks for it
	isHead    bool        // the request's method is HEAD
	files     bool        // the Exchange sends files
	canHijack bool

	mu          sync.Mutex
	over        bool
	wroteHeader bool
	sentHead    bool
	unflushed   bool // something has been sent since the last flush
	status      int
	length      int64       // declared, -1 if not
	written     int64       // bytes the handler tried to write, as net/http counts
	accepted    int64       // those that were taken
	err         error       // of the Exchange; nothing but the end is sent after it
	switching   http.Header // what header held when WriteHeader(101) was called
	trailers    []string    // announced in the Trailer header
	scratch     *scratch    // nil until it is needed
	buffered    int         // bytes of scratch.body
}

// work returns the scratch.
func (w *response) work() *scratch {
	if w.scratch == nil {
		w.scratch = scratches.Get().(*scratch)
	}
	return w.scratch
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *response) writeHeader(status int) {
	if w.over {
		return
	}
	if w.s.taken.Load() != nil {
		w.s.log(slog.LevelError, "PILLION-1005: WriteHeader on a hijacked connection is ignored, called by "+caller())
		return
	}
	if w.wroteHeader {
		w.s.log(slog.LevelError, "PILLION-1006: a second WriteHeader is ignored, called by "+caller())
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("host: WriteHeader: %d is not a status", status))
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.snapshot(status)
		s := w.work()
		p := &s.part
		p.Status, p.Headers, p.Flush = status, s.head.pairs, true
		w.transmit(p)
		return
	}
	w.wroteHeader, w.status = true, status
	if status == http.StatusSwitchingProtocols {
		if w.canHijack {
			w.switching = w.header.Clone()
		}
		return
	}
	w.snapshot(status)
	w.length = w.work().head.length
}

// caller is the file and line that called the method of response.
func caller() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "host.(*response).") || !more {
			return f.Function + " (" + path.Base(f.File) + ":" + strconv.Itoa(f.Line) + ")"
		}
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(p)
}

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(unsafe.Slice(unsafe.StringData(s), len(s))) // nobody writes to it
}

func (w *response) write(p []byte) (int, error) {
	if err := w.shut(); err != nil {
		return 0, err
	}
	if !w.wroteHeader {
		w.writeHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	n, err := w.take(p)
	w.accepted += int64(n)
	return n, err
}

// shut says why nothing can be written any more.
func (w *response) shut() error {
	switch {
	case w.over:
		return ErrHandlerReturned
	case w.s.taken.Load() != nil:
		return http.ErrHijacked
	}
	return nil
}

// take collects or sends p.
func (w *response) take(p []byte) (n int, err error) {
	for w.err == nil {
		room := w.limit() - w.buffered
		switch {
		case len(p) <= room:
			w.buffered += copy(w.work().body[w.buffered:], p)
			return n + len(p), nil
		case w.buffered == 0:
			w.emit(p, nil, false, Open)
			if w.err == nil {
				n += len(p)
			}
			return n, w.err
		}
		w.buffered += copy(w.work().body[w.buffered:w.limit()], p[:room])
		w.empty(false)
		if w.err == nil {
			n += room
			p = p[room:]
		}
	}
	return n, w.err
}

func (w *response) limit() int {
	if w.sentHead {
		return afterHead
	}
	return beforeHead
}

// pending is what has been collected.
func (w *response) pending() []byte {
	if w.buffered == 0 {
		return nil
	}
	return w.scratch.body[:w.buffered]
}

// empty sends what has been collected, and the head.
func (w *response) empty(flush bool) {
	w.emit(w.pending(), nil, flush, Open)
	w.buffered = 0
}

// emit sends body, after the head if that has not been sent.
func (w *response) emit(body []byte, trailers []Pair, flush bool, end End) {
	s := w.work()
	p := &s.part
	if !w.sentHead {
		w.sentHead = true
		w.complete(body, end != Open)
		p.Status, p.Headers = w.status, s.head.pairs
	}
	if !w.isHead {
		p.Body = body
	}
	p.Flush, p.Trailers, p.End = flush, trailers, end
	if p.Status == 0 && len(p.Body) == 0 && end == Open && !(flush && w.unflushed) {
		*p = Part{}
		return
	}
	w.transmit(p)
}

// transmit hands a part, the one in scratch, to the Exchange and empties it.
// After a failure it only lets an end through, and makes it an abort.
func (w *response) transmit(p *Part) {
	if w.err != nil {
		if p.End == Open {
			*p = Part{}
			return
		}
		*p = Part{End: Aborted}
	}
	err := w.s.x.Send(p)
	w.unflushed = !p.Flush
	*p = Part{}
	w.fail(err)
}

// fail notes an error of the Exchange's.
func (w *response) fail(err error) {
	if err != nil && w.err == nil {
		w.err = err
		w.s.cancel(err)
	}
}

// push sends what has been collected, if there is a head, but asks for no flush.
func (w *response) push() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wroteHeader && w.shut() == nil && w.status != http.StatusSwitchingProtocols {
		w.empty(false)
	}
}

// Flush implements http.Flusher.
func (w *response) Flush() { w.FlushError() }

// FlushError flushes as http.ResponseController does, and says what went wrong.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.shut(); err != nil {
		return err
	}
	if !w.wroteHeader {
		w.writeHeader(http.StatusOK)
	}
	if w.status == http.StatusSwitchingProtocols {
		return nil
	}
	w.empty(true)
	return w.err
}

// ReadFrom implements io.ReaderFrom. As with net/http the first bytes decide on
// the head and the rest is sent as it is read, or by the server from the file
// that src is.
func (w *response) ReadFrom(src io.Reader) (n int64, err error) {
	if f, ok := toFileSource(src); ok {
		if n, err = w.sendFile(f); err != nil {
			return n, err
		}
	}
	buf := copyBuffers.Get().(*[copyLen]byte)
	defer copyBuffers.Put(buf)
	w.mu.Lock()
	sent := w.sentHead
	w.mu.Unlock()
	least := 1
	if !sent {
		least = sniffLen
	}
	for {
		got, rerr := readSome(src, buf[:], least)
		if got > 0 {
			took, werr := w.copied(buf[:got], got >= least)
			n += int64(took)
			if werr != nil {
				return n, werr
			}
		}
		switch {
		case rerr == io.EOF:
			return n, nil
		case rerr != nil:
			return n, rerr
		}
		least = 1
	}
}

// readSome reads at least that many bytes, unless src has an error first.
func readSome(src io.Reader, p []byte, least int) (n int, err error) {
	for n < least && err == nil {
		var got int
		got, err = src.Read(p[n:])
		n += got
	}
	return n, err
}

// copied writes p, as much of it as a declared length has room for, and holds
// nothing back if it is to go on.
func (w *response) copied(p []byte, on bool) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.shut(); err != nil {
		return 0, err
	}
	if !w.wroteHeader {
		w.writeHeader(http.StatusOK)
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	var full error
	if room := w.length - w.written; w.length >= 0 && int64(len(p)) > room {
		p, full = p[:max(room, 0)], http.ErrContentLength
	}
	n, err = w.write(p)
	if on && err == nil {
		w.empty(false)
		err = w.err
	}
	if err == nil {
		err = full
	}
	return n, err
}

// SetReadDeadline limits reads of the request body, as http.ResponseController
// does.
func (w *response) SetReadDeadline(t time.Time) error {
	return w.s.deadline(t, Exchange.SetReadDeadline)
}

// SetWriteDeadline limits writes of the response, as http.ResponseController
// does.
func (w *response) SetWriteDeadline(t time.Time) error {
	return w.s.deadline(t, Exchange.SetWriteDeadline)
}

// EnableFullDuplex does nothing: a handler may always read while it writes.
func (w *response) EnableFullDuplex() error { return nil }

// CloseNotify implements http.CloseNotifier, which has long been deprecated, and
// which frameworks still take for granted.
func (w *response) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(w.s.request.Context(), func() {
		if !w.s.handled.Load() {
			gone <- true
		}
	})
	return gone
}

// finish ends the response of a handler that has returned.
func (w *response) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.s.taken.Load() != nil {
		return
	}
	if !w.wroteHeader {
		w.writeHeader(http.StatusOK)
	}
	if w.status == http.StatusSwitchingProtocols {
		w.s.log(slog.LevelError, "PILLION-1007: a handler cannot switch protocols without http.Hijacker: response broken off")
		w.breakOff()
		return
	}
	var trailers []Pair
	if !w.isHead && bodyAllowed(w.status) {
		trailers = w.finalTrailers()
	}
	if len(trailers) > 0 {
		w.work().head.trailers = true
	}
	end := Complete
	if w.length > w.accepted && !w.isHead && bodyAllowed(w.status) {
		end = Aborted
		if w.err == nil {
			w.s.log(slog.LevelError, "PILLION-1008: wrote "+strconv.FormatInt(w.accepted, 10)+" bytes of a declared Content-Length of "+
				strconv.FormatInt(w.length, 10)+": response broken off")
		}
	}
	w.over = true
	w.emit(w.pending(), trailers, false, end)
	w.drop()
}

// abort breaks the response off. What has been collected is not sent.
func (w *response) abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut() == nil {
		w.breakOff()
	}
}

func (w *response) breakOff() {
	w.over = true
	p := &w.work().part
	p.End = Aborted
	w.transmit(p)
	w.drop()
}

func (w *response) drop() {
	if s := w.scratch; s != nil {
		clear(s.pairs[:])
		s.head = head{}
		w.scratch, w.buffered = nil, 0
		scratches.Put(s)
	}
}
