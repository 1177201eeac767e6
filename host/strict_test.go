// What the tests share: applications, and an Exchange that watches its rules.

package host

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const patience = 10 * time.Second

var appNumber atomic.Int64

// form is what becomes of a test's handlers before they are registered.
var form = func(f http.HandlerFunc) http.Handler { return f }

// app registers f under a name of its own.
func app(f http.HandlerFunc) string {
	name := fmt.Sprintf("app-%d", appNumber.Add(1))
	Handle(name, form(f))
	return name
}

// request is a well-formed message for an application.
func request(app, method, target string, fields ...Pair) Message {
	return Message{
		App: app,
		Environ: []Pair{
			{"REQUEST_METHOD", method}, {"REQUEST_URI", target}, {"SERVER_PROTOCOL", "HTTP/1.1"},
			{"REMOTE_ADDR", "192.0.2.1"}, {"REMOTE_PORT", "1234"},
			{"SERVER_ADDR", "192.0.2.2"}, {"SERVER_PORT", "80"}, {"SERVER_NAME", "example.org"},
		},
		Headers: append([]Pair{{"Host", "example.org"}}, fields...),
	}
}

// strict is a Memory that notes what breaks the rules of an Exchange.
type strict struct {
	Memory
	parts   []Part
	sending atomic.Bool
	over    atomic.Bool
	ends    int

	mu     sync.Mutex
	faults []string
}

func (x *strict) fault(s string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, s)
}

func (x *strict) check(what string) {
	if x.over.Load() {
		x.fault(what + " after Serve had returned")
	}
}

func (x *strict) Read(p []byte) (int, error) {
	x.check("Read began")
	defer x.check("Read returned")
	return x.Memory.Read(p)
}

func (x *strict) Send(p *Part) error {
	x.check("Send began")
	defer x.check("Send returned")
	if !x.sending.CompareAndSwap(false, true) {
		x.fault("two Sends at once")
	}
	defer x.sending.Store(false)
	if x.ends > 0 {
		x.fault("a part after the end")
	}
	if p.End != Open {
		x.ends++
	}
	c := *p
	c.Body = append([]byte(nil), p.Body...)
	c.Headers = append([]Pair(nil), p.Headers...)
	x.parts = append(x.parts, c)
	return x.Memory.Send(p)
}

func (x *strict) SetReadDeadline(t time.Time) error {
	x.check("SetReadDeadline")
	return x.Memory.SetReadDeadline(t)
}

func (x *strict) SetWriteDeadline(t time.Time) error {
	x.check("SetWriteDeadline")
	return x.Memory.SetWriteDeadline(t)
}

// serve runs x, from which Serve may not return if the handler exits.
func (x *strict) serve(t *testing.T) *strict {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer x.over.Store(true)
		Serve(x)
	}()
	wait(t, done, "Serve")
	assert.Equal(t, 1, x.ends, "parts with an End")
	assert.Empty(t, x.faults)
	return x
}

// serve runs a handler for a request.
func serve(t *testing.T, m Message, h http.HandlerFunc) *strict {
	t.Helper()
	m.App = app(h)
	return (&strict{Memory: Memory{Request: m}}).serve(t)
}

func wait(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("waited too long for " + what)
	}
}

// field returns the values of a header, joined.
func field(pairs []Pair, name string) string {
	var values []string
	for _, p := range pairs {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return strings.Join(values, "|")
}

// logged collects what is logged while the test runs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func captureLog(t *testing.T) *logged {
	l := new(logged)
	before := currentSink.Load()
	logTo(func(level slog.Level, msg string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, level.String()+" "+msg)
	}, slog.LevelDebug)
	t.Cleanup(func() { currentSink.Store(before) })
	return l
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
