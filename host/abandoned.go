// Requests that were cancelled and whose handlers go on: counted, and told with
// what the handler does.

package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"sync/atomic"
	"time"
)

// overstay is how long a handler may take to notice that nobody waits for it.
const overstay = 5 * time.Second

// What is logged at a time: a stack of all goroutines stops them.
const (
	maxTold  = 8
	maxStack = 8 << 20
	maxTrace = 1200 // bytes of a stack in the log: servers cut long lines
)

// watching says that a look at the abandoned requests is due.
var watching atomic.Bool

var began = time.Now()

// uptime is how old the process is, whatever its clock is set to.
var uptime = func() time.Duration { return time.Since(began) }

// Abandon implements Abandoner. It ends the request's context: its client has
// left, or the server has given it up. Whoever sees that sees it counted.
func (s *serving) Abandon(cause error) {
	s.neglect()
	s.cancel(cause)
}

// neglect notes that nobody waits for the handler any more.
func (s *serving) neglect() {
	if s.abandoned.CompareAndSwap(0, int64(uptime())) {
		watch()
	}
}

func watch() {
	if !watching.Swap(true) {
		time.AfterFunc(overstay, func() { look(overstay) })
	}
}

// late is a request whose handler has overstayed.
type late struct {
	s    *serving
	took time.Duration
	held int64
	what []byte // which request it is
}

// look tells of the handlers that have overstayed for that long, each once.
func look(overstay time.Duration) {
	watching.Store(false) // first: who comes later asks for another look
	var all []late
	more, early := 0, false
	each(func(s *serving) {
		since := s.abandoned.Load()
		if since == 0 || s.told || s.handled.Load() {
			return
		}
		took := uptime() - time.Duration(since)
		if took < overstay {
			early = true
			return
		}
		s.told = true
		if len(all) == maxTold {
			more++
			return
		}
		all = append(all, late{s, took.Round(time.Millisecond), s.held(), s.scope.appendTo(nil)})
	})
	if early {
		watch()
	}
	if len(all) == 0 {
		return
	}
	stacks := allStacks()
	for _, l := range all {
		logLine(slog.LevelError, fmt.Appendf(nil, "PILLION-1080: the handler goes on %v after its request was cancelled, "+
			"and holds %d bytes of the server's memory%s, stack: %s", l.took, l.held, l.what, trace(stacks, l.s)))
	}
	if more > 0 {
		logLine(slog.LevelError, fmt.Appendf(nil, "PILLION-1081: %d more handlers go on after their requests were cancelled", more))
	}
}

// held is how much memory the Exchange holds for nobody but the handler.
func (s *serving) held() int64 {
	if x, ok := s.x.(interface{ Held() int64 }); ok {
		return x.Held()
	}
	return 0
}

// Abandoned returns how many of the running requests were cancelled, because
// their clients had left or the server had given them up, and how many bytes their
// Exchanges hold for nobody else. An Exchange tells by a method Held() int64.
func Abandoned() (n int, held int64) {
	each(func(s *serving) {
		if s.abandoned.Load() != 0 {
			n++
			held += s.held()
		}
	})
	return n, held
}

func allStacks() []byte {
	for size := 256 << 10; ; size *= 4 {
		b := make([]byte, min(size, maxStack))
		if n := runtime.Stack(b, true); n < len(b) || n == maxStack {
			return b[:n]
		}
	}
}

// trace returns the stack that s is served on, in one line, innermost first. It
// is found by the address of s, the receiver of a frame that every handler has
// below it: nothing has to be kept for each request.
func trace(stacks []byte, s *serving) []byte {
	outermost := fmt.Appendf(nil, "pillion/host.(*serving).run(%p", s)
	at := bytes.Index(stacks, outermost)
	if at == -1 {
		return []byte("not found")
	}
	stack := stacks[:at]
	if begin := bytes.LastIndex(stack, []byte("\n\n")); begin != -1 {
		stack = stack[begin+2:]
	}
	var line []byte
	for i, text := range bytes.Split(bytes.TrimSpace(stack), []byte("\n")) {
		switch {
		case len(line) > maxTrace:
			return append(line, " < ..."...)
		case i == 0:
			line = append(line, text...) // goroutine 1 [select, 2 minutes]:
		case i%2 == 1: // a call; its arguments are addresses
			if end := bytes.LastIndexByte(text, '('); end > 0 {
				text = text[:end]
			}
			if i > 1 {
				line = append(line, " <"...)
			}
			line = append(append(line, ' '), text...)
		default: // its place: <tab>/path/file.go:12 +0x34
			place, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte(" +0x"))
			line = append(append(append(line, " ("...), path.Base(string(place))...), ')')
		}
	}
	return line
}
