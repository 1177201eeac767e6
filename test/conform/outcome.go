// What can be told of a run, from both sides.

package conform

import (
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// Outcome is what one run of a row came to.
type Outcome struct {
	Responses []Response
	End       End
	Called    int      // how many times the handler was
	Notes     []string // the handler's
}

// Response is a response as a client has it.
type Response struct {
	Status  int
	Header  http.Header
	Body    string
	Trailer http.Header
	Infos   []Info
	Cut     bool // it ended before its end
}

// Info is an informational head.
type Info struct {
	Status int
	Header http.Header
}

// End is what became of the connection after the last response.
type End string

const (
	Alive  End = "alive"  // it took another request
	Closed End = "closed" // the server closed it, and had said so, or broke the response off
	Ended  End = "ended"  // the server closed it without a word
	Left   End = "left"   // the client did
	Broken End = "broken" // the server sent what is not HTTP
)

// Lines is the outcome in words, in an order that does not depend on chance.
func (o Outcome) Lines() (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	header := func(where string, h http.Header) {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			say("%s%s: %s", where, name, abridged(fmt.Sprintf("%q", h[name])))
		}
	}
	for i, r := range o.Responses {
		n := i + 1
		for _, info := range r.Infos {
			say("response %d: informational %d", n, info.Status)
			header(fmt.Sprintf("response %d: informational ", n), info.Header)
		}
		if r.Status != 0 {
			say("response %d: status %d", n, r.Status)
		}
		header(fmt.Sprintf("response %d: ", n), r.Header)
		say("response %d: body of %d bytes %s", n, len(r.Body), abridged(strconv.Quote(r.Body)))
		header(fmt.Sprintf("response %d: trailer ", n), r.Trailer)
		if r.Cut {
			say("response %d: cut", n)
		}
	}
	say("connection: %s", o.End)
	say("handler: called %d times", o.Called)
	for _, note := range o.Notes {
		say("handler: %s", abridged(note))
	}
	return lines
}

// abridged is s, or its ends and its sum if it is long.
func abridged(s string) string {
	if len(s) <= 200 {
		return s
	}
	return fmt.Sprintf("%s ... %s (%d bytes, sum %08x)", s[:80], s[len(s)-20:], len(s), crc32.ChecksumIEEE([]byte(s)))
}
