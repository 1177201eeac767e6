// Records: the framing of FastCGI 1.0.

// Package fcgi is the application's side of the FastCGI protocol: records,
// parameters, and connections that carry one request at a time. What a request
// means is package host's.
package fcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Types of records.
const (
	typeBegin     = 1
	typeAbort     = 2
	typeEnd       = 3
	typeParams    = 4
	typeStdin     = 5
	typeStdout    = 6
	typeStderr    = 7
	typeData      = 8
	typeGetValues = 9
	typeResult    = 10
	typeUnknown   = 11
)

const (
	version       = 1
	headerLen     = 8
	maxContent    = 65528 // the largest multiple of 8 that a length can tell
	roleResponder = 1
	flagKeep      = 1
)

// Protocol statuses of an END_REQUEST.
const (
	statusComplete    = 0
	statusCannotMix   = 1
	statusUnknownRole = 3
)

// ErrProtocol is what a peer gets wrong.
var ErrProtocol = errors.New("fcgi: malformed record")

type header struct {
	kind    byte
	id      uint16
	length  int
	padding int
}

// readHeader reads the head of a record.
func readHeader(r io.Reader) (h header, err error) {
	var b [headerLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return h, err
	}
	if b[0] != version {
		return h, fmt.Errorf("%w: version %d", ErrProtocol, b[0])
	}
	return header{
		kind:    b[1],
		id:      binary.BigEndian.Uint16(b[2:]),
		length:  int(binary.BigEndian.Uint16(b[4:])),
		padding: int(b[6]),
	}, nil
}

// appendRecord appends a record of at most maxContent bytes.
func appendRecord(b []byte, kind byte, id uint16, content []byte) []byte {
	padding := -len(content) & 7
	b = append(b, version, kind, byte(id>>8), byte(id), byte(len(content)>>8), byte(len(content)), byte(padding), 0)
	b = append(b, content...)
	return append(b, make([]byte, padding)...)
}

// appendEnd appends an END_REQUEST.
func appendEnd(b []byte, id uint16, app uint32, status byte) []byte {
	return appendRecord(b, typeEnd, id, append(binary.BigEndian.AppendUint32(nil, app), status, 0, 0, 0))
}

// readLength cuts the length of a name or a value off b.
func readLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) == 0:
		return 0, nil, false
	case b[0] < 0x80:
		return int(b[0]), b[1:], true
	case len(b) < 4:
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint32(b) &^ (1 << 31)), b[4:], true
}

// Pairs calls add with each name and value of a stream of parameters.
func Pairs(b []byte, add func(name, value string)) error {
	for len(b) > 0 {
		name, rest, ok := readLength(b)
		if !ok {
			return fmt.Errorf("%w: parameters end within a length", ErrProtocol)
		}
		value, rest, ok := readLength(rest)
		if !ok {
			return fmt.Errorf("%w: parameters end within a length", ErrProtocol)
		}
		if len(rest)-name < value {
			return fmt.Errorf("%w: parameters end within a value", ErrProtocol)
		}
		add(string(rest[:name]), string(rest[name:name+value]))
		b = rest[name+value:]
	}
	return nil
}

// AppendPair appends a name and a value as Pairs reads them.
func AppendPair(b []byte, name, value string) []byte {
	for _, s := range [2]string{name, value} {
		if len(s) < 0x80 {
			b = append(b, byte(len(s)))
		} else {
			b = binary.BigEndian.AppendUint32(b, uint32(len(s))|1<<31)
		}
	}
	return append(append(b, name...), value...)
}
