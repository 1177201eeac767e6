package fcgi

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const patience = 30 * time.Second

// server is the other side: a FastCGI server's end of a connection.
type server struct {
	net.Conn
	t    *testing.T
	done chan error // of Serve
}

// connect returns the server's end of a Conn that is being served.
func connect(t *testing.T, handle func(*Request)) (*server, *Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far, err := l.Accept()
	require.NoError(t, err)
	near.SetDeadline(time.Now().Add(patience))
	s := &server{near, t, make(chan error, 1)}
	c := NewConn(far, handle)
	go func() { s.done <- c.Serve() }()
	t.Cleanup(func() {
		near.Close()
		select {
		case err := <-s.done:
			s.done <- err
		case <-time.After(patience):
			t.Error("Serve has not returned")
		}
	})
	return s, c
}

func (s *server) send(records ...[]byte) {
	s.t.Helper()
	_, err := s.Write(bytes.Join(records, nil))
	require.NoError(s.t, err)
}

// a record that has arrived
type record struct {
	kind    byte
	id      uint16
	content string
}

func (s *server) receive() (record, error) {
	h, err := readHeader(s)
	if err != nil {
		return record{}, err
	}
	b := make([]byte, h.length+h.padding)
	_, err = io.ReadFull(s, b)
	return record{h.kind, h.id, string(b[:h.length])}, err
}

// response reads to the end of a request and returns its output.
func (s *server) response(id uint16) (string, byte) {
	s.t.Helper()
	var out strings.Builder
	for {
		r, err := s.receive()
		require.NoError(s.t, err)
		require.Equal(s.t, id, r.id)
		switch r.kind {
		case typeStdout:
			out.WriteString(r.content)
		case typeEnd:
			return out.String(), r.content[4]
		}
	}
}

func begin(id, role uint16, flags byte) []byte {
	return appendRecord(nil, typeBegin, id, append(binary.BigEndian.AppendUint16(nil, role), flags, 0, 0, 0, 0, 0))
}

func params(id uint16, pairs ...string) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = AppendPair(b, pairs[i], pairs[i+1])
	}
	var records []byte
	for len(b) > 0 {
		n := min(len(b), maxContent)
		records = appendRecord(records, typeParams, id, b[:n])
		b = b[n:]
	}
	return appendRecord(records, typeParams, id, nil)
}

func stdin(id uint16, body string) []byte { return appendRecord(nil, typeStdin, id, []byte(body)) }

func echo(r *Request) {
	b, _ := io.ReadAll(r)
	r.Write([]byte(r.Params[0][0] + "=" + r.Params[0][1] + " " + string(b)))
	r.End(true)
}

func TestConn_RequestsFollowEachOtherOnAKeptConnection(t *testing.T) {
	s, _ := connect(t, echo)
	for i, long := range []string{"v", strings.Repeat("long", 100), strings.Repeat("longer", 20000)} {
		id := uint16(i + 1)
		s.send(begin(id, roleResponder, flagKeep), params(id, "NAME", long), stdin(id, "bo"), stdin(id, "dy"), stdin(id, ""))
		out, status := s.response(id)
		assert.Equal(t, "NAME="+long+" body", out)
		assert.EqualValues(t, statusComplete, status)
	}
}

func TestConn_EndsAfterTheRequestIfItIsNotToBeKept(t *testing.T) {
	s, _ := connect(t, echo)
	s.send(begin(1, roleResponder, 0), params(1, "A", "b"), stdin(1, ""))
	out, _ := s.response(1)
	assert.Equal(t, "A=b ", out)
	_, err := s.receive()
	assert.Equal(t, io.EOF, err)
}

func TestConn_LargeResponseComesInRecords(t *testing.T) {
	body := strings.Repeat("0123456789", 30000)
	s, _ := connect(t, func(r *Request) {
		n, err := r.Write([]byte(body))
		assert.NoError(t, err)
		assert.Equal(t, len(body), n)
		r.End(true)
	})
	s.send(begin(1, roleResponder, 0), params(1, "A", "b"))
	out, _ := s.response(1)
	assert.Equal(t, body, out)
}

func TestConn_SecondRequestAtOnceIsRefused(t *testing.T) {
	s, _ := connect(t, echo)
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"), begin(2, roleResponder, flagKeep))
	r, err := s.receive()
	require.NoError(t, err)
	assert.Equal(t, record{typeEnd, 2, string([]byte{0, 0, 0, 0, statusCannotMix, 0, 0, 0})}, r)
	s.send(params(2, "X", "y"), stdin(2, "of the other"), stdin(1, "mine"), stdin(1, ""))
	out, _ := s.response(1)
	assert.Equal(t, "A=b mine", out)
}

func TestConn_OtherRolesAreRefused(t *testing.T) {
	s, _ := connect(t, echo)
	s.send(begin(7, 2, flagKeep))
	r, err := s.receive()
	require.NoError(t, err)
	assert.Equal(t, record{typeEnd, 7, string([]byte{0, 0, 0, 0, statusUnknownRole, 0, 0, 0})}, r)
}

func TestConn_ManagementRecordsAreAnswered(t *testing.T) {
	s, _ := connect(t, echo)
	asked := AppendPair(AppendPair(AppendPair(nil, "FCGI_MPXS_CONNS", ""), "FCGI_OTHER", ""), "FCGI_MAX_CONNS", "")
	s.send(appendRecord(nil, typeGetValues, 0, asked))
	r, err := s.receive()
	require.NoError(t, err)
	assert.EqualValues(t, typeResult, r.kind)
	values := map[string]string{}
	require.NoError(t, Pairs([]byte(r.content), func(name, value string) { values[name] = value }))
	assert.Equal(t, map[string]string{"FCGI_MPXS_CONNS": "0", "FCGI_MAX_CONNS": "65536"}, values)

	s.send(appendRecord(nil, 77, 0, []byte("?")))
	r, err = s.receive()
	require.NoError(t, err)
	assert.Equal(t, record{typeUnknown, 0, "\x4d\x00\x00\x00\x00\x00\x00\x00"}, r)
}

func TestConn_AbortReachesTheRequest(t *testing.T) {
	left := make(chan struct{})
	s, _ := connect(t, func(r *Request) {
		r.OnLeave(func() { close(left) })
		_, err := io.ReadAll(r)
		assert.ErrorIs(t, err, ErrLeft)
		<-left
		r.End(false)
	})
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"), stdin(1, "begun"), appendRecord(nil, typeAbort, 1, nil))
	_, status := s.response(1)
	assert.EqualValues(t, statusComplete, status)
}

func TestConn_ServerThatLeavesReachesTheRequest(t *testing.T) {
	left, ended := make(chan struct{}), make(chan struct{})
	s, _ := connect(t, func(r *Request) {
		defer close(ended)
		r.OnLeave(func() { close(left) })
		<-left
		r.End(false)
	})
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"), stdin(1, ""))
	s.Close()
	<-ended
	err := <-s.done
	assert.NoError(t, err)
	s.done <- err
}

func TestConn_BrokenOffResponseHasNoEnd(t *testing.T) {
	s, _ := connect(t, func(r *Request) {
		r.Write([]byte("half"))
		r.End(false)
	})
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"))
	r, err := s.receive()
	require.NoError(t, err)
	assert.Equal(t, "half", r.content)
	_, err = s.receive()
	assert.Error(t, err)
}

func TestConn_HandlerThatForgetsTheEndIsBrokenOff(t *testing.T) {
	s, _ := connect(t, func(r *Request) {})
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"))
	_, err := s.receive()
	assert.Error(t, err)
}

func TestConn_BodyThatNobodyReadsIsDropped(t *testing.T) {
	s, _ := connect(t, func(r *Request) {
		r.Write([]byte("early"))
		r.End(true)
	})
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"))
	out, _ := s.response(1)
	assert.Equal(t, "early", out)
	for range 20 { // more than what any buffer holds, were it kept
		s.send(stdin(1, strings.Repeat("x", 60000)))
	}
	s.send(stdin(1, ""), begin(2, roleResponder, 0), params(2, "A", "b"))
	out, _ = s.response(2)
	assert.Equal(t, "early", out)
}

func TestConn_BodyWaitsForItsReader(t *testing.T) {
	read := make(chan struct{})
	s, _ := connect(t, func(r *Request) {
		<-read
		r.in.mu.Lock()
		assert.LessOrEqual(t, len(r.in.buf), window)
		r.in.mu.Unlock()
		n, err := io.Copy(io.Discard, r)
		assert.NoError(t, err)
		assert.EqualValues(t, 100*60000, n)
		r.End(true)
	})
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"))
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			s.send(stdin(1, strings.Repeat("x", 60000)))
		}
		s.send(stdin(1, ""))
	})
	close(read)
	s.response(1)
	wg.Wait()
}

func TestConn_EchoesWhileItReads(t *testing.T) {
	const pieces = 500
	piece := strings.Repeat("x", 60000)
	s, _ := connect(t, func(r *Request) { io.Copy(r, r); r.End(true) })
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"))
	go func() {
		for range pieces {
			s.Write(stdin(1, piece))
		}
		s.Write(stdin(1, ""))
	}()
	out, _ := s.response(1)
	assert.Len(t, out, pieces*len(piece))
}

func TestConn_ShutdownLetsTheRequestEnd(t *testing.T) {
	go1 := make(chan struct{})
	s, c := connect(t, func(r *Request) { <-go1; r.Write([]byte("done")); r.End(true) })
	s.send(begin(1, roleResponder, flagKeep), params(1, "A", "b"), appendRecord(nil, typeGetValues, 0, nil))
	_, err := s.receive() // so that the request is there
	require.NoError(t, err)
	c.Shutdown()
	close(go1)
	out, _ := s.response(1)
	assert.Equal(t, "done", out)
	_, err = s.receive()
	assert.Equal(t, io.EOF, err)

	idle, c := connect(t, echo)
	idle.send(appendRecord(nil, typeGetValues, 0, nil))
	_, err = idle.receive()
	require.NoError(t, err)
	c.Shutdown()
	_, err = idle.receive()
	assert.Error(t, err)
}

func TestConn_WhatIsMalformedEndsTheConnection(t *testing.T) {
	for name, records := range map[string][]byte{
		"version":        {9, 1, 0, 1, 0, 0, 0, 0},
		"begin":          appendRecord(nil, typeBegin, 1, []byte("short")),
		"params":         append(begin(1, 1, 0), append(appendRecord(nil, typeParams, 1, []byte{5, 5, 'a'}), appendRecord(nil, typeParams, 1, nil)...)...),
		"params again":   append(begin(1, 1, 0), append(params(1, "A", "b"), params(1, "A", "b")...)...),
		"values":         appendRecord(nil, typeGetValues, 0, []byte{200}),
		"large values":   appendRecord(nil, typeGetValues, 0, make([]byte, maxValues+1)),
		"too many bytes": append(begin(1, 1, 0), bytes.Repeat(appendRecord(nil, typeParams, 1, make([]byte, maxContent)), 17)...),
	} {
		s, _ := connect(t, func(r *Request) { io.ReadAll(r); r.End(false) })
		s.Write(records)
		select {
		case err := <-s.done:
			assert.ErrorIs(t, err, ErrProtocol, name)
			s.done <- err
		case <-time.After(patience):
			t.Fatal(name)
		}
	}
}

func TestRequest_DeadlineEndsARead(t *testing.T) {
	s, _ := connect(t, func(r *Request) {
		r.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := r.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		r.SetReadDeadline(time.Unix(1, 0))
		_, err = r.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		r.SetReadDeadline(time.Time{})
		assert.NoError(t, r.Log("a line"))
		b, err := io.ReadAll(r)
		assert.NoError(t, err)
		r.Write(b)
		r.End(true)
	})
	s.send(begin(1, roleResponder, 0), params(1, "A", "b"))
	r, err := s.receive()
	require.NoError(t, err)
	assert.Equal(t, record{typeStderr, 1, "a line"}, r)
	s.send(stdin(1, "body"), stdin(1, ""))
	out, _ := s.response(1)
	assert.Equal(t, "body", out)
}

// FuzzConn has a connection read anything. Whatever it is, Serve returns.
func FuzzConn(f *testing.F) {
	f.Add(bytes.Join([][]byte{begin(1, 1, 1), params(1, "A", "b"), stdin(1, "body"), stdin(1, "")}, nil))
	f.Add(appendRecord(nil, typeGetValues, 0, AppendPair(nil, "FCGI_MPXS_CONNS", "")))
	f.Add(bytes.Join([][]byte{begin(1, 1, 0), begin(2, 1, 0), params(1, "A", ""), appendRecord(nil, typeAbort, 1, nil)}, nil))
	f.Add([]byte{1, 4, 0, 1, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewConn(&scripted{r: bytes.NewReader(b)}, func(r *Request) {
			io.Copy(io.Discard, r)
			r.Write([]byte("answer"))
			r.End(len(r.Params)%2 == 0)
		})
		c.Serve()
	})
}

// scripted is a connection that reads what was written down.
type scripted struct {
	net.Conn
	r io.Reader
}

func (s *scripted) Read(p []byte) (int, error)       { return s.r.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { return len(p), nil }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzPairs reads parameters back that it has written, and anything else
// without harm.
func FuzzPairs(f *testing.F) {
	f.Add(AppendPair(AppendPair(nil, "NAME", "value"), strings.Repeat("n", 200), ""))
	f.Add([]byte{0x80, 0, 0, 1, 0, 'a'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		n := 0
		err := Pairs(b, func(name, value string) { again = AppendPair(again, name, value); n++ })
		m := 0
		if secondErr := Pairs(again, func(string, string) { m++ }); secondErr != nil || m != n {
			t.Fatal(err, secondErr, n, m)
		}
	})
}
