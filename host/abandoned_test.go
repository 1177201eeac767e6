package host

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stuckUntil is where a handler of these tests is to be found.
func stuckUntil(c <-chan struct{}) { <-c }

// abandoned runs f while that many handlers go on although their requests were
// cancelled.
func abandoned(t *testing.T, handlers int, f func(l *logged)) {
	l := anew(t)
	require.NoError(t, Start(l.settings()))
	leave, entered, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	name := app(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		stuckUntil(leave)
		_, err := io.WriteString(w, strings.Repeat("too late", 10000))
		assert.Error(t, err)
	})
	var all []*Memory
	for range handlers {
		x := &Memory{Request: request(name, "GET", "/stuck?a=b")}
		all = append(all, x)
		go func() {
			Serve(x)
			left <- struct{}{}
		}()
		<-entered
	}
	n, _ := Abandoned()
	assert.Zero(t, n)
	for _, x := range all {
		x.Cancel(errors.New("left"))
	}
	f(l)
	close(leave)
	for range handlers {
		<-left
	}
	n, _ = Abandoned()
	assert.Zero(t, n)
}

func TestAbandoned_HandlerIsToldWithItsStackOnce(t *testing.T) {
	abandoned(t, 1, func(l *logged) {
		n, held := Abandoned()
		assert.Equal(t, 1, n)
		assert.Zero(t, held, "a Memory has none of its own")
		look(time.Hour)
		assert.Empty(t, l.String(), "it may still return in time")
		look(0)
		told := l.String()
		look(0)
		assert.Equal(t, told, l.String())
		assert.Equal(t, 1, strings.Count(told, "PILLION-1080"))
		assert.NotContains(t, told, "\n\t", "a stack in one line")
		assert.Regexp(t, `^ERROR PILLION-1080: .*, app: "[^"]+", .*request: "GET /stuck\?a=b HTTP/1\.1".*, `+
			`stack: goroutine \d+ \[chan receive\]: pillion/host\.stuckUntil \(abandoned_test\.go:\d+\) < .*http\.HandlerFunc\.ServeHTTP`, told)
	})
}

func TestAbandoned_ManyAreCounted(t *testing.T) {
	abandoned(t, maxTold+3, func(l *logged) {
		look(0)
		assert.Equal(t, maxTold, strings.Count(l.String(), "host.stuckUntil"))
		assert.Contains(t, l.String(), "PILLION-1081: 3 more handlers")
	})
}

func TestAbandoned_HandlerThatReturnsIsNotTold(t *testing.T) {
	l := anew(t)
	require.NoError(t, Start(l.settings()))
	x := &Memory{Request: request(app(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		assert.Equal(t, "left", context.Cause(r.Context()).Error())
	}), "GET", "/")}
	time.AfterFunc(time.Millisecond, func() { x.Cancel(errors.New("left")) })
	Serve(x)
	look(0)
	assert.Empty(t, l.String())
}
