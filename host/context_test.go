package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errLeft = errors.New("left")

func newContext() *requestContext {
	return &newServing(nil, &Message{}).ctx
}

// looks are the ways to find out that a context has ended.
var looks = map[string]func(ctx context.Context) error{
	"Err": context.Context.Err,
	"Done": func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	},
	"AfterFunc": func(ctx context.Context) error {
		told := make(chan error)
		context.AfterFunc(ctx, func() { told <- ctx.Err() })
		return <-told
	},
	"child": func(ctx context.Context) error {
		child, cancel := context.WithTimeout(context.WithValue(ctx, errLeft, 1), time.Hour)
		defer cancel()
		<-child.Done()
		if context.Cause(child) != errLeft {
			return fmt.Errorf("the child's cause is %w", context.Cause(child))
		}
		return child.Err()
	},
}

func TestContext_EndIsSeenByWhoeverLooksBeforeAndAfter(t *testing.T) {
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			late := newContext()
			late.end(errLeft)
			assert.Equal(t, context.Canceled, look(late))
			assert.Equal(t, errLeft, context.Cause(late))

			early := newContext()
			require.NoError(t, early.Err())
			seen := make(chan error)
			if name == "Err" {
				early.Done()
				early.end(errLeft)
				go func() { seen <- look(early) }()
			} else {
				go func() { seen <- look(early) }()
				for early.state.Load() == nil {
					runtime.Gosched()
				}
				early.end(errLeft)
			}
			assert.Equal(t, context.Canceled, <-seen)
			assert.Equal(t, errLeft, context.Cause(early))
		})
	}
}

func TestContext_OnlyTheFirstEndCounts(t *testing.T) {
	for _, looked := range []bool{false, true} {
		ctx := newContext()
		if looked {
			ctx.Done()
		}
		ctx.end(errLeft)
		ctx.end(context.Canceled)
		assert.Equal(t, errLeft, context.Cause(ctx))
	}
}

func TestContext_DoneIsAlwaysTheSameChannel(t *testing.T) {
	ctx := newContext()
	before := ctx.Done()
	ctx.end(errLeft)
	assert.Equal(t, before, ctx.Done())
}

// Package context starts a goroutine for each child of a context it does not
// know.
func TestContext_ChildrenNeedNoGoroutine(t *testing.T) {
	ctx := newContext()
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(context.WithValue(ctx, errLeft, 1))
		defer cancel()
	}
	assert.Less(t, runtime.NumGoroutine(), before+100)
}

func TestContext_CancelledChildLeavesTheRequestAlone(t *testing.T) {
	ctx := newContext()
	child, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, child.Err())
	assert.NoError(t, ctx.Err())
	assert.NoError(t, context.Cause(ctx))
}

func TestContext_NothingIsMadeUntilSomebodyLooks(t *testing.T) {
	ctx := newContext()
	_ = ctx.Err()
	_, _ = ctx.Deadline()
	_ = ctx.Value(scopeKey{})
	ctx.end(errLeft)
	_ = ctx.Err()
	assert.Nil(t, ctx.state.Load().Context)
}

func TestContext_MayEndWhileManyLook(t *testing.T) {
	for range 200 {
		ctx := newContext()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				<-ctx.Done()
				assert.Equal(t, context.Canceled, ctx.Err())
				assert.Equal(t, errLeft, context.Cause(ctx))
			})
		}
		all.Go(func() { ctx.end(errLeft) })
		all.Wait()
	}
}

func TestContext_PrintsAsAName(t *testing.T) {
	assert.Equal(t, "host.request.WithValue(host.scopeKey, 1)",
		fmt.Sprint(context.WithValue(newContext(), scopeKey{}, "1")))
}
