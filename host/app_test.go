package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestApp_ContextEndsWhenTheClientLeaves(t *testing.T) {
	var x *strict
	a := App(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		x.Cancel(errors.New("left"))
		<-env.Context().Done()
		assert.EqualError(t, context.Cause(env.Context()), "left")
		start("200 OK", plain, nil)
		return nil
	})
	x = &strict{Memory: Memory{Request: request(app(a.ServeHTTP), "GET", "/")}}
	x.serve(t)
}

func TestApp_WriterIsOverWithTheSequence(t *testing.T) {
	var w io.Writer
	var startAgain StartResponse
	x := gateway(t, request("", "GET", "/"), func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		startAgain = start
		w = start("200 OK", plain, nil)
		return Blocks([]byte("body"))
	})
	_, err := w.Write([]byte("late"))
	assert.ErrorIs(t, err, ErrHandlerReturned)
	_, err = w.(io.ReaderFrom).ReadFrom(bytes.NewReader([]byte("late")))
	assert.ErrorIs(t, err, ErrHandlerReturned)
	assert.ErrorIs(t, Flush(w), ErrHandlerReturned)
	assert.Panics(t, func() { startAgain("200 OK", nil, nil) })
	assert.Equal(t, "body", string(x.Body))
}

func TestHandleApp_RegistersTheApp(t *testing.T) {
	name := fmt.Sprintf("app-%d", appNumber.Add(1))
	HandleApp(name, func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return Blocks([]byte("hello"))
	})
	m := &Memory{Request: request(name, "GET", "/")}
	Serve(m)
	assert.Equal(t, "hello", string(m.Body))
	assert.PanicsWithValue(t, `host: HandleApp: the application "none" is nil`, func() { HandleApp("none", nil) })
}

func TestChain_FirstIsOutermost(t *testing.T) {
	mark := func(s string) Middleware {
		return func(app App) App {
			return func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
				env.Vars["MARK"] += s
				return app(env, start)
			}
		}
	}
	x := gateway(t, request("", "GET", "/"), Chain(func(env *Env, start StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", plain, nil)
		return Blocks([]byte(env.Vars["MARK"]))
	}, mark("a"), mark("b"), mark("c")))
	assert.Equal(t, "abc", string(x.Body))
}
