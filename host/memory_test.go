package host

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestMemory_CollectsParts(t *testing.T) {
	m := &Memory{}
	for _, p := range []*Part{
		{Status: 103, Headers: []Pair{{"A", "1"}}, Flush: true},
		{Status: 201, Headers: []Pair{{"B", "2"}}, Body: []byte("ab")},
		{Body: []byte("c"), Flush: true},
		{Trailers: []Pair{{"C", "3"}}, End: Complete},
	} {
		assert.NoError(t, m.Send(p))
	}
	assert.Equal(t, []Info{{103, []Pair{{"A", "1"}}}}, m.Info)
	assert.Equal(t, 201, m.Status)
	assert.Equal(t, []Pair{{"B", "2"}}, m.Headers)
	assert.Equal(t, "abc", string(m.Body))
	assert.Equal(t, 2, m.Flushes)
	assert.Equal(t, []Pair{{"C", "3"}}, m.Trailers)
	assert.Equal(t, Complete, m.End)
}

func TestMemory_CancelledFailsButTakesTheEnd(t *testing.T) {
	left := errors.New("left")
	var got error
	m := &Memory{BodyReader: strings.NewReader("x")}
	m.OnCancel(func(cause error) { got = cause })
	m.Cancel(left)
	m.Cancel(io.EOF)
	assert.Equal(t, io.EOF, got)
	assert.Equal(t, left, m.Send(&Part{Body: []byte("x")}))
	assert.NoError(t, m.Send(&Part{End: Aborted}))
	assert.Equal(t, Aborted, m.End)
	_, err := m.Read(make([]byte, 1))
	assert.Equal(t, left, err)
	m.OnCancel(func(cause error) { got = cause })
	assert.Equal(t, left, got)

	m = &Memory{}
	m.Cancel(nil)
	assert.Equal(t, context.Canceled, m.Send(&Part{}))
}

func TestMemory_Deadlines(t *testing.T) {
	m := &Memory{BodyReader: strings.NewReader("x")}
	assert.NoError(t, m.SetReadDeadline(time.Unix(1, 0)))
	_, err := m.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NoError(t, m.SetReadDeadline(time.Now().Add(time.Hour)))
	n, err := m.Read(make([]byte, 1))
	assert.Equal(t, 1, n)
	assert.NoError(t, err)
	assert.NoError(t, m.SetWriteDeadline(time.Unix(1, 0)))
	assert.ErrorIs(t, m.Send(&Part{}), os.ErrDeadlineExceeded)
	assert.NoError(t, m.Send(&Part{End: Complete}))
	_, err = (&Memory{}).Read(nil)
	assert.Equal(t, io.EOF, err)
}

func TestMemory_ResetLeavesNothingOfTheRequestBefore(t *testing.T) {
	m := Memory{Request: Message{App: "a", More: true}, Status: 200, Flushes: 1, Hijacked: true, End: Aborted}
	m.Headers = append(m.Headers, Pair{"A", "b"})
	m.Body = append(m.Body, "body"...)
	m.Trailers = []Pair{{"T", "t"}}
	m.Info = []Info{{Status: 103}}
	m.Cancel(nil)
	m.Reset()
	assert.NotZero(t, cap(m.Body), "the room stays")
	assert.Empty(t, m.Headers)
	assert.Empty(t, m.Body)
	m.Headers, m.Body = nil, nil
	assert.Equal(t, &Memory{}, &m)
}
