// Request bodies: framing, limits, forms, reads after the end.

package conform

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// chunks is a chunked body.
const chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

// sent is a row whose handler gets "hello world" with a Content-Length.
func sent(name string, handler func(w http.ResponseWriter, r *http.Request, run *Run)) Row {
	return Row{Name: name, Request: ask("POST /a?q=1 HTTP/1.1", "Content-Length: 11") + "hello world", Handler: handler}
}

// posted is a row whose handler gets a body of that type.
func posted(name, contentType, body string, handler func(w http.ResponseWriter, r *http.Request, run *Run)) Row {
	return Row{Name: name, Handler: handler,
		Request: ask("POST /a?q=1&q=2&a=url HTTP/1.1", "Content-Type: "+contentType, "Content-Length: "+strconv.Itoa(len(body))) + body}
}

// form is a multipart/form-data body of two values and a file.
var form = strings.ReplaceAll(`--x
Content-Disposition: form-data; name="a"

1
--x
Content-Disposition: form-data; name="f"; filename="file.txt"
Content-Type: text/plain

`+strings.Repeat("0123456789", 500)+`
--x
Content-Disposition: form-data; name="b"

2
--x--
`, "\n", "\r\n")

var bodyRows = []Row{
	seenBody("body: length", "hello", "POST / HTTP/1.1", "Content-Length: 5"),
	seenBody("body: of a GET", "hello", "GET / HTTP/1.1", "Content-Length: 5"),
	seenBody("body: of a HEAD", "hello", "HEAD / HTTP/1.1", "Content-Length: 5"),
	seenBody("body: of a DELETE", "hello", "DELETE / HTTP/1.1", "Content-Length: 5"),
	seen("body: length 0", "POST / HTTP/1.1", "Content-Length: 0"),
	one(framing, seen("body: length 0 of a GET", "GET / HTTP/1.1", "Content-Length: 0")),
	one(framing, seenBody("body: length with zeros first", "hello", "POST / HTTP/1.1", "Content-Length: 0005")),
	one(framing, seenBody("body: length signed", "hello", "POST / HTTP/1.1", "Content-Length: +5")),
	one(framing, seenBody("body: length negative", "hello", "POST / HTTP/1.1", "Content-Length: -5")),
	one(framing, seenBody("body: length in hexadecimal", "hello", "POST / HTTP/1.1", "Content-Length: 0x5")),
	one(framing, seen("body: length empty", "POST / HTTP/1.1", "Content-Length: ")),
	one(framing, seenBody("body: length twice", "hello", "POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 5")),
	one(framing, seenBody("body: length as a list", "hello", "POST / HTTP/1.1", "Content-Length: 5, 5")),
	one(framing, seenBody("body: length contradictory", "hello", "POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 4")),
	one(framing, seen("body: length huge", "POST / HTTP/1.1", "Content-Length: 99999999999999999999")),
	one(framing, seenBody("body: chunked", chunks, "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunked in any case", chunks, "POST / HTTP/1.1", "transfer-encoding: Chunked")),
	one(framing, seenBody("body: chunked of a GET", chunks, "GET / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunked, empty", "0\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunked and length", chunks, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 5")),
	one(framing, seenBody("body: chunked twice", chunks, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunked in a list", chunks, "POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked")),
	one(framing, seen("body: another coding", "POST / HTTP/1.1", "Transfer-Encoding: gzip")),
	one(framing, seen("body: identity coding", "POST / HTTP/1.1", "Transfer-Encoding: identity")),
	one(framing, seenBody("body: chunk extensions", "5;a=b\r\nhello\r\n0;c\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunk sizes in capitals and with zeros", "000A\r\n0123456789\r\n00\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunk size is no number", "xyz\r\nhello\r\n0\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunk size is huge", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: good chunk and a bad one", "5\r\nhello\r\nxyz\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(version, seenBody("body: chunked in 1.0", chunks, "POST / HTTP/1.0", "Transfer-Encoding: chunked")),
	one(version, seenBody("body: chunked in 1.0 and length", "hello", "POST / HTTP/1.0", "Transfer-Encoding: chunked", "Content-Length: 5")),
	one(version, seenBody("body: length in 1.0", "hello", "POST / HTTP/1.0", "Content-Length: 5")),
	seenBody("body: 300000 bytes", strings.Repeat("body ", 60000), "POST / HTTP/1.1", "Content-Length: 300000"),
	one(framing, seenBody("body: chunk of 200000 bytes", "30d40\r\n"+strings.Repeat("z", 200000)+"\r\n0\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("body: many chunks", strings.Repeat("1\r\nz\r\n", 3000)+"0\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	{Name: "body: cut by the client", OneOnly: byHand, Handler: halfRead, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Content-Length: 10") + "hello")
		c.Await("half")
		c.Leave()
	}},
	{Name: "body: chunked, cut by the client", OneOnly: byHand, Handler: halfRead, Talk: func(c *Client) {
		c.Send(ask("POST / HTTP/1.1", "Transfer-Encoding: chunked") + "5\r\nhello\r\n5\r\nwor")
		c.Await("half")
		c.Leave()
	}},
	one(framing, seenBody("trailer: announced", "5\r\nhello\r\n0\r\nX-A: 1\r\nx-b: 2\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: x-a, X-B")),
	one(framing, seenBody("trailer: announced and not sent", chunks, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: X-A")),
	one(framing, seenBody("trailer: not announced", "5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked")),
	one(framing, seenBody("trailer: repeated", "0\r\nX-A: 1\r\nX-A: 2\r\n\r\n", "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: X-A")),
	one(framing, seenBody("trailer: announced, not one", chunks, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: Content-Length")),
	one(framing, seenBody("trailer: without chunks", "hello", "POST / HTTP/1.1", "Content-Length: 5", "Trailer: X-A")),

	sent("read: piece by piece", func(w http.ResponseWriter, r *http.Request, run *Run) {
		b := make([]byte, 6)
		n, err := io.ReadFull(r.Body, b)
		run.Note("six", n, err)
		n, err = io.ReadFull(r.Body, b)
		run.Note("six more", n, err)
		n, err = r.Body.Read(b)
		run.Note("after the end", n, err)
		n, err = r.Body.Read(nil)
		run.Note("nothing after the end", n, err)
	}),
	sent("read: no bytes", func(w http.ResponseWriter, r *http.Request, run *Run) {
		n, err := r.Body.Read(nil)
		run.Note("nothing", n, err)
		b, err := io.ReadAll(r.Body)
		run.Note("all", string(b), err)
	}),
	sent("read: after Close", func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("close", r.Body.Close())
		n, err := r.Body.Read(make([]byte, 5))
		run.Note("read", n, err)
		run.Note("close again", r.Body.Close())
	}),
	sent("read: some, then Close", func(w http.ResponseWriter, r *http.Request, run *Run) {
		n, err := r.Body.Read(make([]byte, 5))
		run.Note("read", n, err)
		run.Note("close", r.Body.Close())
		n, err = r.Body.Read(make([]byte, 5))
		run.Note("read", n, err)
	}),
	does("read: NoBody", func(w http.ResponseWriter, r *http.Request, run *Run) {
		n, err := r.Body.Read(make([]byte, 5))
		run.Note("read", n, err)
		run.Note("close", r.Body.Close())
		n, err = r.Body.Read(make([]byte, 5))
		run.Note("read after Close", n, err)
	}),
	one("in HTTP/2 net/http leaves the body open", sent("read: after the handler", func(w http.ResponseWriter, r *http.Request, run *Run) {
		ctx := r.Context()
		run.Later(func() {
			<-ctx.Done()
			var err error
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if _, err = r.Body.Read(make([]byte, 5)); err != nil && err != io.EOF {
					break
				}
			}
			run.Note("read", err)
		})
	})),
	sent("read: after the answer has begun", func(w http.ResponseWriter, r *http.Request, run *Run) {
		write(w, 10)
		b, err := io.ReadAll(r.Body)
		run.Note("all", string(b), err)
	}),
	sent("read: not at all", func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, "not read") }),
	sent("read: GetBody is a client's", func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("nil", r.GetBody == nil, r.Response == nil, r.Cancel == nil)
	}),
	{Name: "read: not at all of 100000 bytes", Request: ask("POST / HTTP/1.1", "Content-Length: 100000") + long(100000),
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, "not read") }},
	{Name: "read: not at all of 20000 bytes", Request: ask("POST / HTTP/1.1", "Content-Length: 20000") + long(20000),
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, "not read") }},
	one(framing, Row{Name: "read: not at all of 20000 bytes in chunks", Request: ask("POST / HTTP/1.1", "Transfer-Encoding: chunked") + "4e20\r\n" + long(20000) + "\r\n0\r\n\r\n",
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) { io.WriteString(w, "not read") }}),
	one(framing, Row{Name: "read: in part of 20000 bytes in chunks", Request: ask("POST / HTTP/1.1", "Transfer-Encoding: chunked") + "4e20\r\n" + long(20000) + "\r\n0\r\n\r\n",
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
			n, err := io.ReadFull(r.Body, make([]byte, 10000))
			run.Note("read", n, err)
			write(w, 100000)
		}}),
	sent("MaxBytesReader: enough", limited(11)),
	sent("MaxBytesReader: too few", limited(5)),
	sent("MaxBytesReader: none", limited(0)),
	sent("MaxBytesHandler: too few", func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			run.Note("all", string(b), err)
		}), 5).ServeHTTP(w, r)
	}),

	posted("form: urlencoded", "application/x-www-form-urlencoded", "a=1&b=2&a=3&c=%zz", func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("parse", r.ParseForm() != nil)
		run.Note("form", r.Form.Encode())
		run.Note("post form", r.PostForm.Encode())
		run.Note("values", r.FormValue("a"), r.PostFormValue("b"), r.FormValue("q"))
	}),
	posted("form: of another type", "text/plain", "a=1", func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("parse", r.ParseForm())
		run.Note("form", r.Form.Encode())
		b, err := io.ReadAll(r.Body)
		run.Note("left", string(b), err)
	}),
	posted("form: FormValue of multipart", "multipart/form-data; boundary=x", form, func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("values", r.FormValue("a"), r.FormValue("b"), r.FormValue("q"))
		f, header, err := r.FormFile("f")
		run.Note("file", err, header.Filename, header.Size, header.Header.Get("Content-Type"))
		b, err := io.ReadAll(f)
		run.Note("content", len(b), err)
		_, _, err = r.FormFile("g")
		run.Note("missing", err)
	}),
	posted("form: multipart files are removed", "multipart/form-data; boundary=x", form, func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("parse", r.ParseMultipartForm(1))
		f, err := r.MultipartForm.File["f"][0].Open()
		run.Note("open", err)
		file, ok := f.(*os.File)
		run.Note("on disk", ok)
		if !ok {
			return
		}
		name := file.Name()
		_, err = os.Stat(name)
		run.Note("there", err)
		file.Close()
		ctx := r.Context()
		run.Later(func() {
			<-ctx.Done()
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if _, err = os.Stat(name); errors.Is(err, os.ErrNotExist) {
					break
				}
			}
			run.Note("there after the handler", err)
		})
	}),
	posted("form: MultipartReader", "multipart/form-data; boundary=x", form, func(w http.ResponseWriter, r *http.Request, run *Run) {
		m, err := r.MultipartReader()
		run.Note("reader", err)
		for {
			p, err := m.NextPart()
			if err != nil {
				run.Note("end", err)
				return
			}
			b, err := io.ReadAll(p)
			run.Note("part", p.FormName(), p.FileName(), len(b), err)
		}
	}),
	posted("form: no multipart", "text/plain", "a", func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("parse", r.ParseMultipartForm(1000))
	}),
	posted("form: multipart cut short", "multipart/form-data; boundary=x", form[:len(form)/2], func(w http.ResponseWriter, r *http.Request, run *Run) {
		run.Note("parse", r.ParseMultipartForm(1000))
	}),
}

// halfRead tells its client when it has read five bytes, and reads on.
func halfRead(w http.ResponseWriter, r *http.Request, run *Run) {
	b := make([]byte, 5)
	n, err := io.ReadFull(r.Body, b)
	run.Note("half", n, string(b), err)
	run.Tell("half")
	_, err = io.ReadAll(r.Body)
	run.Note("fails", err != nil)
}

// limited reads with a MaxBytesReader.
func limited(n int64) func(w http.ResponseWriter, r *http.Request, run *Run) {
	return func(w http.ResponseWriter, r *http.Request, run *Run) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, n))
		run.Note("all", string(b), err)
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	}
}
