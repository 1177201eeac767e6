// What a handler notes, and how it and its client wait for each other.

package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// patience is how long anything may take that a row waits for.
const patience = 30 * time.Second

// Run is one run of a row: the notes of its handler, and events. It is what the
// handler's side of a row has in common with the client's side.
type Run struct {
	mu     sync.Mutex
	called int // how many times the handler was
	notes  []string
	inside int // handlers, and what they started with Later
	idle   chan struct{}
	events map[string]chan struct{}
}

var runs sync.Map // key to *Run

func runOf(key string) *Run {
	run, _ := runs.LoadOrStore(key, &Run{events: map[string]chan struct{}{}})
	return run.(*Run)
}

// call enters for a handler.
func (run *Run) call() {
	run.mu.Lock()
	run.called++
	run.mu.Unlock()
	run.enter()
}

func (run *Run) enter() {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.inside++
	if run.idle == nil {
		run.idle = make(chan struct{})
	}
}

func (run *Run) leave() {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.inside--
	if run.inside == 0 {
		close(run.idle)
		run.idle = nil
	}
}

// Note notes what the handler sees. Errors are noted as what a handler could
// tell them by.
func (run *Run) Note(what string, values ...any) {
	var b strings.Builder
	b.WriteString(what)
	for _, v := range values {
		switch v := v.(type) {
		case error:
			b.WriteString(" " + errorName(v))
		case string:
			fmt.Fprintf(&b, " %q", v)
		default:
			fmt.Fprintf(&b, " %v", v)
		}
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.notes = append(run.notes, b.String())
}

// Later runs f on a goroutine that may outlive the handler; the run goes on
// until it ends.
func (run *Run) Later(f func()) {
	run.enter()
	go func() {
		defer run.leave()
		f()
	}()
}

func (run *Run) event(name string) chan struct{} {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.events[name] == nil {
		run.events[name] = make(chan struct{})
	}
	return run.events[name]
}

// Tell makes an event happen.
func (run *Run) Tell(name string) {
	event := run.event(name)
	run.mu.Lock()
	defer run.mu.Unlock()
	select {
	case <-event:
	default:
		close(event)
	}
}

// Await waits for an event.
func (run *Run) Await(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return wait(ctx, run.event(name))
}

func wait(ctx context.Context, event chan struct{}) error {
	select {
	case <-event:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serveControl is the way a client has to a Run.
func serveControl(w http.ResponseWriter, r *http.Request, verb, key string) {
	switch verb {
	case "probe":
		io.WriteString(w, probed)
	case "tell":
		runOf(key).Tell(r.URL.Query().Get("event"))
	case "await":
		if wait(r.Context(), runOf(key).event(r.URL.Query().Get("event"))) != nil {
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	case "notes":
		run := runOf(key)
		run.mu.Lock()
		idle := run.idle
		run.mu.Unlock()
		if idle != nil && wait(r.Context(), idle) != nil {
			w.WriteHeader(http.StatusGatewayTimeout)
			return
		}
		runs.Delete(key)
		run.mu.Lock()
		defer run.mu.Unlock()
		json.NewEncoder(w).Encode(report{run.called, run.notes})
	}
}

// report is what is told of a Run when it has ended.
type report struct {
	Called int
	Notes  []string
}

// probed is the answer to a probe.
const probed = "probed"

// errorName is what a handler can tell an error by.
func errorName(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{io.ErrUnexpectedEOF, "io.ErrUnexpectedEOF"},
		{io.EOF, "io.EOF"},
		{http.ErrBodyReadAfterClose, "http.ErrBodyReadAfterClose"},
		{http.ErrBodyNotAllowed, "http.ErrBodyNotAllowed"},
		{http.ErrContentLength, "http.ErrContentLength"},
		{http.ErrHijacked, "http.ErrHijacked"},
		{http.ErrHandlerTimeout, "http.ErrHandlerTimeout"},
		{http.ErrNotMultipart, "http.ErrNotMultipart"},
		{http.ErrMissingFile, "http.ErrMissingFile"},
		{http.ErrNoCookie, "http.ErrNoCookie"},
		{os.ErrDeadlineExceeded, "os.ErrDeadlineExceeded"},
		{os.ErrNotExist, "os.ErrNotExist"},
		{context.Canceled, "context.Canceled"},
		{context.DeadlineExceeded, "context.DeadlineExceeded"},
		{net.ErrClosed, "net.ErrClosed"},
		{errors.ErrUnsupported, "errors.ErrUnsupported"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fmt.Sprintf("http.MaxBytesError of %d", large.Limit)
	}
	return "another error"
}
