// What CGI, FastCGI and SCGI have in common: an Exchange whose request is CGI
// variables and whose response is CGI's text.

package host

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// cgiStream carries the bodies of an exchange.
type cgiStream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// End ends the response, whole or so that the server can see the cut, as
	// far as the protocol allows.
	End(whole bool) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// errGone is why the context of a request ends whose server wants no answer any
// more.
var errGone = errors.New("host: the client has left or the server has aborted the request")

// cgiExchange is one request of a CGI server. The protocol knows neither
// informational heads nor trailers: they are left away. mu guards cancel and
// left.
type cgiExchange struct {
	cgiStream
	msg    Message
	out    *bufio.Writer
	headed bool

	mu     sync.Mutex
	cancel func(error)
	left   bool
}

// newCGIExchange makes the exchange of a request with these variables. Without a
// variable that names it, app is the application.
func newCGIExchange(s cgiStream, vars []Pair, app string) *cgiExchange {
	x := &cgiExchange{cgiStream: s, out: bufio.NewWriterSize(s, 16<<10)}
	x.msg.App = app
	x.msg.Environ = settlePath(lastOfEach(vars))
	for _, p := range x.msg.Environ {
		switch {
		case p.Name == "CONTENT_LENGTH" && p.Value != "" && p.Value != "0", p.Name == "HTTP_TRANSFER_ENCODING":
			x.msg.More = true
		case p.Name == appVariable:
			x.msg.App = p.Value
		}
	}
	return x
}

// lastOfEach leaves the last of the variables of one name, in the place of the
// first: what a server's configuration includes is told first, and then what it
// says otherwise.
func lastOfEach(vars []Pair) []Pair {
	at := make(map[string]int, len(vars))
	left := vars[:0]
	for _, p := range vars {
		if i, again := at[p.Name]; again {
			left[i].Value = p.Value
			continue
		}
		at[p.Name] = len(left)
		left = append(left, p)
	}
	return left
}

// settlePath sees to SCRIPT_NAME, PATH_INFO and QUERY_STRING, which servers leave
// away, and mends what nginx's own fastcgi_params tells: the whole path as
// SCRIPT_NAME, as if the application were a file of that name.
func settlePath(vars []Pair) []Pair {
	value := map[string]string{}
	for _, p := range vars {
		value[p.Name] = p.Value
	}
	add := func(name, v string) {
		if _, there := value[name]; !there {
			vars = append(vars, Pair{name, v})
		}
	}
	script, hasScript := value["SCRIPT_NAME"]
	_, hasPath := value["PATH_INFO"]
	var u url.URL
	parseTarget(&u, value["REQUEST_METHOD"], value["REQUEST_URI"])
	switch {
	case hasPath:
	case !hasScript:
		add("PATH_INFO", u.Path)
	case script != "" && script == value["DOCUMENT_URI"]:
		for i := range vars {
			if vars[i].Name == "SCRIPT_NAME" {
				vars[i].Value = ""
			}
		}
		add("PATH_INFO", script)
	default:
		add("PATH_INFO", "")
	}
	add("SCRIPT_NAME", "")
	add("QUERY_STRING", u.RawQuery)
	return vars
}

// Message implements Exchange.
func (x *cgiExchange) Message() *Message { return &x.msg }

// RequestTrailers implements Exchange; the protocols have none.
func (x *cgiExchange) RequestTrailers() []Pair { return nil }

// Hijack implements Exchange; the connection is the server's.
func (x *cgiExchange) Hijack() error { return errors.ErrUnsupported }

// Send implements Exchange.
func (x *cgiExchange) Send(p *Part) error {
	if p.End == Aborted && !x.headed {
		p = &Part{
			Status: http.StatusInternalServerError, End: Complete,
			Headers: []Pair{{"Content-Type", "text/plain; charset=utf-8"}},
			Body:    []byte("Internal Server Error\n"),
		}
	}
	if p.Status >= 200 {
		x.headed = true
		x.head(p)
	}
	x.out.Write(p.Body) // an error stays with out
	p.Sent = int64(len(p.Body))
	if p.End == Open && x.hasLeft() {
		return errGone // although the socket would still take it
	}
	switch p.End {
	case Aborted:
		x.out.Flush()
		return x.End(false)
	case Complete:
		if err := x.out.Flush(); err != nil {
			x.End(false)
			return err
		}
		return x.End(true)
	}
	if p.Flush {
		return x.out.Flush()
	}
	_, err := x.out.Write(nil)
	return err
}

func (x *cgiExchange) head(p *Part) {
	x.out.WriteString("Status: " + statusLine(p.Status) + "\r\n")
	for _, h := range p.Headers {
		if h.Name != "Connection" { // the server's connection is not the client's
			x.out.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
	}
	x.out.WriteString("\r\n")
}

// OnCancel implements Exchange.
func (x *cgiExchange) OnCancel(f func(error)) {
	x.mu.Lock()
	x.cancel = f
	left := x.left
	x.mu.Unlock()
	if left {
		f(errGone)
	}
}

func (x *cgiExchange) hasLeft() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.left
}

// leave says that nobody wants an answer any more.
func (x *cgiExchange) leave() {
	x.mu.Lock()
	x.left = true
	f := x.cancel
	x.mu.Unlock()
	if f != nil {
		f(errGone)
	}
}
