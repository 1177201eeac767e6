// The client's side of a run.

package conform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Host is a server under test.
type Host struct {
	// Dial makes a connection to it.
	Dial func() (net.Conn, error)

	// Client is for requests beside the row's own, and those in HTTP/2.
	Client *http.Client

	// Two says that it speaks HTTP/2.
	Two bool

	// casual says that rows are run by an ordinary client.
	casual bool
}

// Casual is the host with an ordinary client in place of a hand-made one, as it
// is in HTTP/2.
func (h Host) Casual() Host {
	h.casual = true
	return h
}

// Client is the client's side of a run: a connection in HTTP/1 that is spoken
// on by hand, and what has come of it.
type Client struct {
	Conn net.Conn

	host    Host
	row     *Row
	key     string
	r       *bufio.Reader
	outcome Outcome
	err     error // the first of what must not fail
}

var keys atomic.Int64

// Run runs a row once. An error says that the row could not be run to its end,
// not that its outcome is a bad one.
func (h Host) Run(row *Row) (Outcome, error) {
	c := &Client{host: h, row: row, key: fmt.Sprintf("%d.%d", keys.Add(1), time.Now().UnixNano())}
	if h.Two || h.casual {
		c.casual()
	} else {
		c.one()
	}
	c.fetchNotes()
	return c.outcome, c.err
}

func (c *Client) fail(err error) {
	if c.err == nil && err != nil {
		c.err = err
	}
}

func (c *Client) one() {
	conn, err := c.host.Dial()
	if err != nil {
		c.fail(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	c.Conn, c.r = conn, bufio.NewReader(conn)
	if c.row.Talk != nil {
		c.row.Talk(c)
		return
	}
	c.Send(c.row.request())
	for _, method := range c.row.methods() {
		c.Response(method)
	}
	c.Probe()
}

func (row *Row) request() string {
	if row.Request == "" {
		return ask("GET / HTTP/1.1")
	}
	return row.Request
}

func (row *Row) methods() []string {
	if len(row.Methods) == 0 {
		method, _, _ := strings.Cut(row.request(), " ")
		return []string{method}
	}
	return row.Methods
}

// here is where Send puts the fields that lead to the row.
const here = "{row}"

// ask makes the head of a request. It has a Host field unless fields have one.
func ask(line string, fields ...string) string {
	text := line + "\r\n"
	host := false
	for _, f := range fields {
		host = host || strings.HasPrefix(strings.ToLower(f), "host:")
	}
	if !host {
		text += "Host: example.org\r\n"
	}
	text += here
	for _, f := range fields {
		text += f + "\r\n"
	}
	return text + "\r\n"
}

// Send sends text. It does not matter if the server does not take it.
func (c *Client) Send(text string) {
	fields := rowField + ": " + c.row.Name + "\r\n" + keyField + ": " + c.key + "\r\n"
	io.WriteString(c.Conn, strings.ReplaceAll(text, here, fields))
}

// Head reads heads up to a final one. The body is the caller's to read, with
// Body.
func (c *Client) Head(method string) *http.Response {
	var infos []Info
	for {
		res, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			if len(infos) > 0 {
				c.outcome.Responses = append(c.outcome.Responses, Response{Infos: infos, Cut: true})
			}
			c.outcome.End = Closed
			if !ended(err) {
				c.outcome.End = Broken
			}
			c.timedOut(err)
			return nil
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			infos = append(infos, Info{res.StatusCode, res.Header})
			continue
		}
		c.outcome.Responses = append(c.outcome.Responses, Response{Status: res.StatusCode, Header: res.Header, Infos: infos})
		if res.Close {
			c.outcome.End = Closed
		}
		return res
	}
}

// ended reports whether err is the end of a connection, proper or not.
func ended(err error) bool {
	var broken *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken)
}

// Info reads an informational head.
func (c *Client) Info() {
	line, err := textproto.NewReader(c.r).ReadLine()
	c.fail(err)
	var status int
	fmt.Sscanf(line, "HTTP/1.1 %d", &status)
	header, err := textproto.NewReader(c.r).ReadMIMEHeader()
	c.fail(err)
	c.outcome.Responses = append(c.outcome.Responses, Response{Infos: []Info{{status, http.Header(header)}}})
}

// Body reads what is left of the body of the response that Head returned.
func (c *Client) Body(res *http.Response) {
	if res == nil {
		return
	}
	r := &c.outcome.Responses[len(c.outcome.Responses)-1]
	b, err := io.ReadAll(res.Body)
	c.timedOut(err)
	r.Body += string(b)
	r.Cut = err != nil
	r.Trailer = trailer(res)
	if r.Cut {
		c.outcome.End = Closed
	}
}

// Response reads a response.
func (c *Client) Response(method string) { c.Body(c.Head(method)) }

// Some reads n bytes of a body.
func (c *Client) Some(res *http.Response, n int) {
	if res == nil {
		return
	}
	b := make([]byte, n)
	_, err := io.ReadFull(res.Body, b)
	c.fail(err)
	c.outcome.Responses[len(c.outcome.Responses)-1].Body += string(b)
}

// timedOut tells a server that does not answer from one that has left.
func (c *Client) timedOut(err error) {
	if t, ok := err.(net.Error); ok && t.Timeout() {
		c.fail(fmt.Errorf("the server did not answer: %w", err))
	}
}

func trailer(res *http.Response) http.Header {
	if len(res.Trailer) == 0 {
		return nil
	}
	return res.Trailer
}

// Probe finds out whether the connection goes on, by one more request.
func (c *Client) Probe() {
	if c.outcome.End != "" {
		return
	}
	io.WriteString(c.Conn, "GET / HTTP/1.1\r\nHost: example.org\r\n"+rowField+": /probe\r\n\r\n")
	c.outcome.End = Ended
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.timedOut(err)
		return
	}
	b, err := io.ReadAll(res.Body)
	if err == nil && string(b) == probed {
		c.outcome.End = Alive
	}
}

// Leave closes the connection.
func (c *Client) Leave() {
	c.outcome.End = Left
	c.Conn.Close()
}

// Raw reads what the server sends up to the end of the connection, which is
// noted as the body of a response.
func (c *Client) Raw() {
	b, err := io.ReadAll(c.r)
	c.timedOut(err)
	c.outcome.Responses = append(c.outcome.Responses, Response{Body: string(b), Cut: err != nil})
	c.outcome.End = Closed
}

// RawSome reads n bytes.
func (c *Client) RawSome(n int) string {
	b := make([]byte, n)
	_, err := io.ReadFull(c.r, b)
	c.fail(err)
	return string(b)
}

// Note notes what the client saw.
func (c *Client) Note(note string) {
	c.outcome.Responses = append(c.outcome.Responses, Response{Body: note})
}

// Await waits for an event of the handler.
func (c *Client) Await(event string) { c.control("await", event) }

// Tell makes an event happen.
func (c *Client) Tell(event string) { c.control("tell", event) }

func (c *Client) control(verb, event string) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://example.org/?event="+url.QueryEscape(event), nil)
	if err != nil {
		c.fail(err)
		return nil
	}
	req.Header.Set(rowField, "/"+verb)
	req.Header.Set(keyField, c.key)
	res, err := c.host.Client.Do(req)
	if err != nil {
		c.fail(fmt.Errorf("%s %s: %w", verb, event, err))
		return nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	c.fail(err)
	if res.StatusCode != http.StatusOK {
		c.fail(fmt.Errorf("%s %s: %s", verb, event, res.Status))
	}
	return b
}

func (c *Client) fetchNotes() {
	if b := c.control("notes", ""); b != nil {
		var r report
		c.fail(json.Unmarshal(b, &r))
		c.outcome.Called, c.outcome.Notes = r.Called, r.Notes
	}
}

// casual sends the row's request with an ordinary client.
func (c *Client) casual() {
	text := strings.ReplaceAll(c.row.request(), here, "")
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		c.fail(err)
		return
	}
	body, err := io.ReadAll(req.Body)
	c.fail(err)
	req.Body = http.NoBody
	if len(body) > 0 || req.ContentLength < 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
		// The oracle closes connections without a word. What goes out on one
		// that is being closed is sent again by this; the field stays here.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Header["Idempotency-Key"] = nil
	}
	req.RequestURI, req.URL.Scheme, req.URL.Host = "", "http", req.Host
	req.Header.Set(rowField, c.row.Name)
	req.Header.Set(keyField, c.key)
	if req.UserAgent() == "" {
		req.Header.Set("User-Agent", "") // none
	}

	r := Response{}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
			r.Infos = append(r.Infos, Info{status, http.Header(header)})
			return nil
		},
	})
	c.outcome.End = Alive
	res, err := c.host.Client.Do(req.WithContext(ctx))
	if err != nil {
		c.fail(ctx.Err())
		return
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	c.fail(ctx.Err())
	r.Status, r.Header, r.Body, r.Cut, r.Trailer = res.StatusCode, res.Header, string(b), err != nil, trailer(res)
	c.outcome.Responses = append(c.outcome.Responses, r)
}
