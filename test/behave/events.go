// Events by key, which one request tells and another one waits for.

package behave

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

type event struct {
	told  chan struct{}
	once  sync.Once
	value string
}

var events, counters sync.Map // string to *event, *atomic.Int64

func eventOf(key string) *event {
	e, _ := events.LoadOrStore(key, &event{told: make(chan struct{})})
	return e.(*event)
}

// tell makes an event happen. Its first value counts.
func tell(key, value string) {
	if sharedDir() != "" {
		tellShared(key, value)
		return
	}
	e := eventOf(key)
	e.once.Do(func() {
		e.value = value
		close(e.told)
	})
}

// await waits for an event, or for the end of ctx.
func await(ctx context.Context, key string) (string, error) {
	if sharedDir() != "" {
		return awaitShared(ctx, key)
	}
	e := eventOf(key)
	select {
	case <-e.told:
		return e.value, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func counter(key string) *atomic.Int64 {
	if c, ok := counters.Load(key); ok {
		return c.(*atomic.Int64)
	}
	if sharedDir() != "" {
		c, _ := counters.LoadOrStore(key, sharedCounter(key))
		return c.(*atomic.Int64)
	}
	c, _ := counters.LoadOrStore(key, new(atomic.Int64))
	return c.(*atomic.Int64)
}

// serveTell makes the event ?key= happen with the value ?value=.
func serveTell(w http.ResponseWriter, r *http.Request) {
	tell(r.FormValue("key"), r.FormValue("value"))
	w.WriteHeader(http.StatusNoContent)
}

// serveAwait answers with the value of the event ?key= when it has happened.
func serveAwait(w http.ResponseWriter, r *http.Request) {
	value, err := await(r.Context(), r.FormValue("key"))
	if err != nil {
		return // nobody reads the answer
	}
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, value)
}

// serveCount answers with the counter ?key=.
func serveCount(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, strconv.FormatInt(counter(r.FormValue("key")).Load(), 10))
}
