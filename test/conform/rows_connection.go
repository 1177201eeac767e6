// Connections: keep-alive, pipelining, Expect, full duplex, clients that leave.

package conform

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// says answers with the path and the body.
func says(w http.ResponseWriter, r *http.Request, run *Run) {
	b, err := io.ReadAll(r.Body)
	run.Note("asked for", r.URL.Path, string(b), err)
	io.WriteString(w, r.URL.Path+" "+string(b))
}

// expecting is a row whose client waits with its body.
func expecting(name string, talk func(c *Client), handler func(w http.ResponseWriter, r *http.Request, run *Run)) Row {
	return Row{Name: "expect: " + name, OneOnly: byHand, Talk: talk, Handler: handler}
}

var (
	expectHead = ask("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue")

	// sendOnContinue sends the body when it is asked for.
	sendOnContinue = func(c *Client) {
		c.Send(expectHead)
		c.Info()
		c.Send("hello")
		c.Response("POST")
		c.Probe()
	}
	// sendNot never sends the body: without a 100 it is not asked for.
	sendNot = func(c *Client) {
		c.Send(expectHead)
		c.Response("POST")
		c.Leave()
	}
)

var connectionRows = []Row{
	one(framing, Row{Name: "connection: close", Request: ask("GET /a HTTP/1.1", "Connection: close"), Handler: notesFacts}),
	one(framing, Row{Name: "connection: Close in a list", Request: ask("GET /a HTTP/1.1", "Connection: x, Close"), Handler: notesFacts}),
	one(framing, Row{Name: "connection: closed by the handler", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "bye")
	}}),
	one(framing, Row{Name: "connection: 2 pipelined", Request: ask("GET /1 HTTP/1.1") + ask("GET /2 HTTP/1.1"), Methods: []string{"GET", "GET"}, Handler: says}),
	one(framing, Row{Name: "connection: 4 pipelined, with bodies", Handler: says, Methods: []string{"POST", "GET", "POST", "HEAD"},
		Request: ask("POST /1 HTTP/1.1", "Content-Length: 5") + "hello" + ask("GET /2 HTTP/1.1") +
			ask("POST /3 HTTP/1.1", "Transfer-Encoding: chunked") + chunks + ask("HEAD /4 HTTP/1.1")}),
	one(framing, Row{Name: "connection: pipelined behind a body nobody reads", Methods: []string{"POST", "GET"},
		Request: ask("POST /1 HTTP/1.1", "Content-Length: 5") + "hello" + ask("GET /2 HTTP/1.1"),
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, r.URL.Path) }}),
	one(framing, Row{Name: "connection: pipelined behind chunks nobody reads", Methods: []string{"POST", "GET"},
		Request: ask("POST /1 HTTP/1.1", "Transfer-Encoding: chunked") + chunks + ask("GET /2 HTTP/1.1"),
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, r.URL.Path) }}),
	one(framing, Row{Name: "connection: pipelined behind a close", Methods: []string{"GET"},
		Request: ask("GET /1 HTTP/1.1", "Connection: close") + ask("GET /2 HTTP/1.1"), Handler: says}),
	one(framing, Row{Name: "connection: pipelined behind a refusal", Methods: []string{"GET"},
		Request: ask("GET /1 HTTP/1.x") + ask("GET /2 HTTP/1.1"), Handler: says}),
	one(framing, Row{Name: "connection: empty lines between requests", Methods: []string{"POST", "GET"},
		Request: ask("POST /1 HTTP/1.1", "Content-Length: 5") + "hello\r\n" + ask("GET /2 HTTP/1.1"), Handler: says}),
	one(framing, Row{Name: "connection: smuggled request", Methods: []string{"POST", "GET"}, Handler: says,
		Request: ask("POST /1 HTTP/1.1", "Content-Length: 30") + "GET /smuggled HTTP/1.1\r\nA: b\r\n" + ask("GET /2 HTTP/1.1")}),
	one(version, Row{Name: "connection: 1.0 of known length", Request: ask("GET /a HTTP/1.0"), Handler: says}),
	one(version, Row{Name: "connection: 1.0 of unknown length", Request: ask("GET /a HTTP/1.0"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 10000)
		flush(w)
		write(w, 10000)
	}}),
	one(version, Row{Name: "connection: 1.0 keep-alive of known length", Request: ask("GET /a HTTP/1.0", "Connection: keep-alive"), Handler: says}),
	one(version, Row{Name: "connection: 1.0 keep-alive of unknown length", Request: ask("GET /a HTTP/1.0", "Connection: keep-alive"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 3)
		flush(w)
		write(w, 3)
	}}),
	one(version, Row{Name: "connection: 1.0 with trailers", Request: ask("GET /a HTTP/1.0"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.Header().Set("Trailer", "X-A")
		write(w, 3)
		w.Header().Set("X-A", "1")
	}}),
	one(version, Row{Name: "connection: 1.0 and an informational head", Request: ask("GET /a HTTP/1.0"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(http.StatusEarlyHints)
		write(w, 3)
	}}),

	expecting("answered by the read", sendOnContinue, says),
	expecting("nobody reads", sendNot, func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, "no, thanks") }),
	expecting("refused with a status", sendNot, func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}),
	expecting("field in any case", func(c *Client) {
		c.Send(strings.Replace(expectHead, "Expect: 100-continue", "eXpect: 100-Continue", 1))
		c.Info()
		c.Send("hello")
		c.Response("POST")
		c.Probe()
	}, notesFacts),
	expecting("body comes at once", func(c *Client) {
		c.Send(expectHead + "hello")
		c.Response("POST")
		c.Probe()
	}, says),
	expecting("no body", func(c *Client) {
		c.Send(ask("GET / HTTP/1.1", "Expect: 100-continue"))
		c.Response("GET")
		c.Probe()
	}, says),
	expecting("in 1.0", func(c *Client) {
		c.Send(strings.Replace(expectHead, "HTTP/1.1", "HTTP/1.0", 1) + "hello")
		c.Response("POST")
		c.Probe()
	}, says),
	expecting("chunked", func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Transfer-Encoding: chunked", "Expect: 100-continue"))
		c.Info()
		c.Send(chunks)
		c.Response("POST")
		c.Probe()
	}, says),
	expecting("read after the answer has begun", sendNot, func(w http.ResponseWriter, r *http.Request, run *Run) {
		io.WriteString(w, "begun")
		run.Note("flush", flush(w))
		run.Later(func() { <-r.Context().Done() })
	}),
	expecting("WriteHeader(100) by the handler", func(c *Client) {
		c.Send(expectHead)
		c.Info()
		c.Send("hello")
		c.Response("POST")
		c.Probe()
	}, func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(http.StatusContinue)
		says(w, r, run)
	}),
	one(framing, seen("expect: the unknown", "POST / HTTP/1.1", "Expect: miracles")),
	one(framing, seen("expect: empty", "POST / HTTP/1.1", "Expect:")),

	{Name: "duplex: echo as it comes", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("enable", http.NewResponseController(w).EnableFullDuplex())
		flush(w)
		b := make([]byte, 5)
		for {
			n, err := io.ReadFull(r.Body, b)
			if err != nil {
				run.Note("end", n, err)
				return
			}
			w.Write(b)
			flush(w)
		}
	}, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Transfer-Encoding: chunked"))
		res := c.Head("POST")
		for _, word := range []string{"hello", "again"} {
			c.Send("5\r\n" + word + "\r\n")
			c.Some(res, 5)
		}
		c.Send("0\r\n\r\n")
		c.Body(res)
		c.Probe()
	}},
	{Name: "flush: the client has it at once", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		for _, event := range []string{"one", "two"} {
			io.WriteString(w, event)
			run.Note("flush", flush(w))
			run.Note("client", run.Await(event))
		}
		io.WriteString(w, "end")
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		res := c.Head("GET")
		for _, event := range []string{"one", "two"} {
			c.Some(res, 3)
			c.Tell(event)
		}
		c.Body(res)
		c.Probe()
	}},
	{Name: "client: leaves while the handler waits", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Tell("in")
		<-r.Context().Done()
		run.Note("context", r.Context().Err())
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Await("in")
		c.Leave()
	}},
	{Name: "client: leaves after its body was read", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		io.Copy(io.Discard, r.Body)
		run.Tell("in")
		<-r.Context().Done()
		run.Note("context", r.Context().Err())
	}, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Content-Length: 5") + "hello")
		c.Await("in")
		c.Leave()
	}},
	{Name: "client: leaves while the handler writes", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		for {
			if _, err := write(w, 10000); err != nil {
				run.Note("a write failed")
				break
			}
		}
		<-r.Context().Done()
		run.Note("context", r.Context().Err())
		run.Note("flush fails", flush(w) != nil)
	}, Talk: func(c *Client) {
		c.Send(ask("GET / HTTP/1.1"))
		c.Some(c.Head("GET"), 10000)
		c.Leave()
	}},
	{Name: "client: leaves while the handler reads", OneOnly: byHand, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		b := make([]byte, 10)
		_, err := io.ReadFull(r.Body, b[:5])
		run.Note("first", err)
		run.Tell("in")
		_, err = r.Body.Read(b)
		run.Note("fails", err != nil && !errors.Is(err, io.EOF))
		<-r.Context().Done()
		run.Note("context", r.Context().Err())
	}, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Content-Length: 10") + "hello")
		c.Await("in")
		c.Leave()
	}},
}
