// Package scgi reads the head of an SCGI request: a netstring of names and
// values. What a request means is package host's.
package scgi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxHead bounds the netstring.
const maxHead = 1 << 20

// ErrProtocol is what a peer gets wrong.
var ErrProtocol = errors.New("scgi: malformed request")

// Pairs reads the head of a request. What follows in r is the body.
func Pairs(r *bufio.Reader) (pairs [][2]string, err error) {
	n := 0
	for digits := 0; ; digits++ {
		c, err := r.ReadByte()
		switch {
		case err != nil:
			return nil, err
		case c == ':' && digits > 0:
			return block(r, n)
		case c < '0' || c > '9' || digits == 7:
			return nil, fmt.Errorf("%w: no length at its beginning", ErrProtocol)
		}
		if n = n*10 + int(c-'0'); n > maxHead {
			return nil, fmt.Errorf("%w: a head of more than %d bytes", ErrProtocol, maxHead)
		}
	}
}

func block(r *bufio.Reader, n int) (pairs [][2]string, err error) {
	b := make([]byte, n+1)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	if b[n] != ',' {
		return nil, fmt.Errorf("%w: no comma at the end of the head", ErrProtocol)
	}
	text := string(b[:n])
	for text != "" {
		name, rest, ok := strings.Cut(text, "\x00")
		value, rest, ended := strings.Cut(rest, "\x00")
		if !ok || !ended || name == "" {
			return nil, fmt.Errorf("%w: names and values do not end with NUL", ErrProtocol)
		}
		pairs = append(pairs, [2]string{name, value})
		text = rest
	}
	if len(pairs) == 0 || pairs[0][0] != "CONTENT_LENGTH" {
		return nil, fmt.Errorf("%w: CONTENT_LENGTH does not come first", ErrProtocol)
	}
	for _, p := range pairs {
		if p[0] == "SCGI" && p[1] == "1" {
			return pairs, nil
		}
	}
	return nil, fmt.Errorf("%w: SCGI is not 1", ErrProtocol)
}
