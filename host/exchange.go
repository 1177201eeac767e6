// The border of this package: what a drive must offer to have a request served.

// Package host serves Go web applications for a server that holds the
// connections: it registers http.Handlers by name, turns CGI-style variables
// into *http.Request, gives handlers a ResponseWriter with net/http's rules and
// runs the applications' lifecycle. It knows no C; package capi carries
// exchanges over the C ABI.
package host

import (
	"io"
	"syscall"
	"time"
)

// Pair is a CGI variable, or a header field under its own name.
type Pair struct {
	Name, Value string
}

// Message is a request as a server hands it over. Its strings are the
// application's to keep.
type Message struct {
	// App is the name of the application.
	App string

	// Environ holds CGI variables (RFC 3875), at least REQUEST_METHOD.
	Environ []Pair

	// Headers holds the header fields in order, with repetitions. If it is
	// empty they are in Environ as HTTP_* variables.
	Headers []Pair

	// Spare is memory of which nothing is used, nil if there is none. Serve
	// makes a string of it that would need memory of its own otherwise, so it
	// is good for one request only.
	Spare []byte

	// Body is the body, or its first bytes if More is set; the rest is read
	// from the Exchange.
	Body []byte
	More bool

	// Files says that Send takes a part with a File.
	Files bool

	// Hijack says that the connection can be handed over. It counts for
	// HTTP/1 only.
	Hijack bool
}

// File is a file a response is sent from. An *os.File is one, and so is what
// its WriteTo method passes on.
type File interface {
	io.ReaderAt
	syscall.Conn
}

// Part is a piece of a response. If several fields are set they apply in the
// order they stand in.
type Part struct {
	// Status is the HTTP status of a head, 0 if the part has no head. 1xx is
	// informational, anything else final.
	Status int

	// Headers goes with Status: checked and in sending order.
	Headers []Pair

	// Body is copied before Send returns.
	Body []byte

	// File, if it is not nil, is sent after Body: Length bytes (> 0) from
	// Offset. Only if Message.Files is set, and never with Flush, Trailers or
	// an End.
	File           File
	Offset, Length int64

	// Flush asks for everything sent so far to go out at once.
	Flush bool

	// Trailers is checked and in sending order.
	Trailers []Pair

	// End says whether the response ends with this part.
	End End

	// Sent is set by Send, also when it fails: how many bytes of Body and File
	// were taken.
	Sent int64
}

// End says how a response ended.
type End uint8

const (
	Open     End = iota // the response goes on
	Complete            // whole
	Aborted             // broken off; the client must be able to tell
)

// Exchange is one request and its response, as a drive carries them. Read may
// run at the same time as the other methods; Send calls do not overlap. After
// Serve has returned none is called.
type Exchange interface {
	// Message returns the request.
	Message() *Message

	// Read reads what follows Message().Body, io.EOF at its end. It blocks
	// until there is at least one byte, the client has left or the read
	// deadline has passed (os.ErrDeadlineExceeded).
	Read(p []byte) (int, error)

	// RequestTrailers returns the trailers that followed the request body.
	// Called after Read has returned io.EOF.
	RequestTrailers() []Pair

	// Send hands a part to the server. It blocks while the server has no room
	// for the part's body, and fails if the client has left or the write
	// deadline has passed. A part that has an End is the last one, and the
	// drive may take it without blocking for room.
	//
	// With a File it blocks until the server has sent the file's bytes, so that
	// the file may be changed after it. If the file cannot be sent as one it
	// fails with errors.ErrUnsupported and nothing of the part is taken.
	Send(p *Part) error

	// Hijack takes the connection over from the server, before any final head
	// and while neither Read nor Send runs. After it Read gives the raw bytes
	// that follow the request, after those of the request body that were not
	// read, and Send takes parts of which only Body and End are set; their bytes
	// go out raw and at once. Only if Message.Hijack is set.
	Hijack() error

	// OnCancel registers the one function to call when the client leaves or
	// the server cancels the request; at once if that has happened. It takes the
	// place of the one registered before.
	OnCancel(f func(cause error))

	// SetReadDeadline and SetWriteDeadline limit Read and Send, those that
	// are blocked already included. The zero time is no limit.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Abandoner is told that a request has been cancelled.
type Abandoner interface {
	Abandon(cause error)
}

// CancelExchange may be implemented by an Exchange. Its requests need no memory
// for a function then.
type CancelExchange interface {
	Exchange

	// Cancels does with a.Abandon what OnCancel does with a function.
	Cancels(a Abandoner)
}

// LendingExchange may be implemented by an Exchange that has better use for its
// Message than to keep it while a handler waits.
type LendingExchange interface {
	Exchange

	// TakeBack is called before the handler is: Serve touches the Message no
	// more, only what strings and body bytes it had.
	TakeBack()

	// Environ returns what the Message's Environ was, once more, for the caller
	// to change. It may be called by any goroutine from TakeBack on, until Serve
	// returns.
	Environ() []Pair
}
