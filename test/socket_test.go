// A client that speaks WebSocket by hand.

package test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The opcodes of RFC 6455.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

const upgrade = "GET %s HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: websocket\n" +
	"Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"

// socket is a WebSocket.
type socket struct{ *wire }

// socket opens one.
func (s *server) socket(t *testing.T, path string) socket {
	t.Helper()
	return socketOf(s.wire(t, fmt.Sprintf(upgrade, path)))
}

// socketOf reads the answer to the handshake.
func socketOf(w *wire) socket {
	w.t.Helper()
	res := w.response("GET")
	require.Equal(w.t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(w.t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", res.Header.Get("Sec-WebSocket-Accept"))
	return socket{w}
}

// frame is a whole frame of a client, masked with zeros.
func frame(op byte, payload string) string {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return string(b) + "\x00\x00\x00\x00" + payload
}

func (s socket) send(op byte, payload string) {
	s.t.Helper()
	s.wire.send(frame(op, payload))
}

// receive returns the next message, whose fragments it joins.
func (s socket) receive() (op byte, payload string) {
	s.t.Helper()
	op, payload, err := receive(s.r)
	require.NoError(s.t, err)
	return op, payload
}

func receive(r *bufio.Reader) (op byte, payload string, err error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return op, payload, err
		}
		n := uint64(head[1])
		switch n {
		case 126:
			var short uint16
			err = binary.Read(r, binary.BigEndian, &short)
			n = uint64(short)
		case 127:
			err = binary.Read(r, binary.BigEndian, &n)
		}
		part := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(r, part)
		}
		if err != nil {
			return op, payload, err
		}
		if head[0]&0x0f != 0 {
			op = head[0] & 0x0f
		}
		payload += string(part)
		if head[0]&0x80 != 0 {
			return op, payload, nil
		}
	}
}
