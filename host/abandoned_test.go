package host

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stuckUntil is where a handler of these tests is to be found.
func stuckUntil(c <-chan struct{}) { <-c }

// allAreStuck says whether that many wait there.
func allAreStuck(handlers int) bool {
	n := 0
	for stack := range strings.SplitSeq(string(allStacks()), "\n\n") {
		if strings.Contains(stack, " [chan receive]:\npillion/host.stuckUntil(") {
			n++
		}
	}
	return n == handlers
}

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
	for !allAreStuck(handlers) {
		runtime.Gosched() // a handler may be on its way still
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

// setUptime has f tell how old the process is.
func setUptime(t *testing.T, f func() time.Duration) {
	real := uptime
	uptime = f
	t.Cleanup(func() { uptime = real })
}

func TestAbandoned_TimeIsTheProcessesOwn(t *testing.T) {
	now := 3 * time.Second
	setUptime(t, func() time.Duration { return now })
	abandoned(t, 1, func(l *logged) {
		now += overstay - 1
		look(overstay)
		assert.Empty(t, l.String())
		now++
		look(overstay)
		assert.Contains(t, l.String(), "goes on 5s after its request was cancelled")
	})
}

func TestAbandoned_WhoSeesTheCancellationSeesTheCount(t *testing.T) {
	l := anew(t)
	require.NoError(t, Start(l.settings()))
	var ctx context.Context
	before := errors.New("not counted")
	setUptime(t, func() time.Duration { // asked for when it is counted
		before = ctx.Err()
		return time.Second
	})
	var x *Memory
	x = &Memory{Request: request(app(func(w http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
		x.Cancel(errors.New("left"))
		assert.Error(t, ctx.Err())
	}), "GET", "/")}
	Serve(x)
	assert.NoError(t, before)
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
