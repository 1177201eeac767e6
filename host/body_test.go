package host

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBody_Length(t *testing.T) {
	for name, c := range map[string]struct {
		length string // CONTENT_LENGTH
		first  string
		more   io.Reader
		want   string
		err    error
		size   int64
	}{
		"none":                       {size: 0},
		"all at once":                {first: "abc", want: "abc", size: 3},
		"declared":                   {length: "3", first: "abc", want: "abc", size: 3},
		"declared, more came":        {length: "3", first: "abcd", want: "abc", size: 3},
		"declared, fewer came":       {length: "5", first: "abc", want: "abc", err: io.ErrUnexpectedEOF, size: 5},
		"declared, nothing came":     {length: "5", err: io.ErrUnexpectedEOF, size: 5},
		"declared 0, more announced": {length: "0", more: strings.NewReader("x"), size: 0},
		"unknown":                    {first: "abc", more: strings.NewReader("def"), want: "abcdef", size: -1},
		"unknown, empty":             {more: strings.NewReader(""), size: -1},
		"in pieces":                  {length: "6", first: "abc", more: iotest.OneByteReader(strings.NewReader("def")), want: "abcdef", size: 6},
		"in pieces, more came":       {length: "5", first: "abc", more: strings.NewReader("def"), want: "abcde", size: 5},
		"in pieces, fewer came":      {length: "7", first: "abc", more: strings.NewReader("def"), want: "abcdef", err: io.ErrUnexpectedEOF, size: 7},
		"end with the last bytes":    {length: "7", first: "abc", more: iotest.DataErrReader(strings.NewReader("def")), want: "abcdef", err: io.ErrUnexpectedEOF, size: 7},
		"the client leaves":          {more: iotest.ErrReader(net.ErrClosed), err: net.ErrClosed, size: -1},
	} {
		t.Run(name, func(t *testing.T) {
			x := &strict{}
			x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, c.size, r.ContentLength)
				assert.Equal(t, c.size == 0, r.Body == http.NoBody)
				got, err := io.ReadAll(r.Body)
				assert.Equal(t, c.want, string(got))
				assert.Equal(t, c.err, err)
				n, again := r.Body.Read(make([]byte, 1))
				assert.Zero(t, n)
				if c.err == nil {
					c.err = io.EOF
				}
				assert.Equal(t, c.err, again)
			}), "POST", "/")
			if c.length != "" {
				x.Request.Environ = append(x.Request.Environ, Pair{"CONTENT_LENGTH", c.length})
			}
			x.Request.Body, x.Request.More, x.BodyReader = []byte(c.first), c.more != nil, c.more
			x.serve(t)
			assert.Equal(t, Complete, x.End)
		})
	}
}

func TestBody_ClosedIsClosed(t *testing.T) {
	m := request("", "POST", "/")
	m.Body = []byte("abc")
	var kept io.ReadCloser
	serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		kept = r.Body
		n, err := r.Body.Read(nil)
		assert.Zero(t, n)
		assert.NoError(t, err)
		assert.NoError(t, r.Body.Close())
		_, err = r.Body.Read(make([]byte, 1))
		assert.Equal(t, http.ErrBodyReadAfterClose, err)
		assert.NoError(t, r.Body.Close())
	})
	_, err := kept.Read(make([]byte, 1))
	assert.Equal(t, http.ErrBodyReadAfterClose, err)
}

func TestBody_MaxBytesReader(t *testing.T) {
	m := request("", "POST", "/")
	m.Body = []byte("abc")
	serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2))
		var tooMany *http.MaxBytesError
		assert.ErrorAs(t, err, &tooMany)
	})
}

func TestBody_ReadDeadline(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	x := &strict{}
	x.BodyReader = server
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		assert.NoError(t, rc.SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, err := r.Body.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.NoError(t, rc.SetReadDeadline(time.Time{}))
		go client.Write([]byte("x"))
		n, err := r.Body.Read(make([]byte, 1))
		assert.Equal(t, 1, n)
		assert.NoError(t, err)
	}), "POST", "/")
	x.Request.More = true
	x.serve(t)
}

func TestBody_ReaderLeftBehindIsBrokenOff(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	reading, result := make(chan struct{}), make(chan error, 1)
	x := &strict{}
	x.BodyReader = &signalling{server, reading}
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		go func() {
			_, err := r.Body.Read(make([]byte, 1))
			result <- err
		}()
		<-reading
		io.WriteString(w, "done")
	}), "POST", "/")
	x.Request.More = true
	x.serve(t)
	assert.Equal(t, "done", string(x.Body))
	assert.Equal(t, http.ErrBodyReadAfterClose, <-result)
}

// signalling says when it is read.
type signalling struct {
	net.Conn
	reading chan struct{}
}

func (s *signalling) Read(p []byte) (int, error) {
	close(s.reading)
	return s.Conn.Read(p)
}

func TestBody_MultipartFilesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("f", "f.txt")
	require.NoError(t, err)
	part.Write(bytes.Repeat([]byte("x"), 100<<10))
	mw.Close()
	m := request("", "POST", "/", Pair{"Content-Type", mw.FormDataContentType()})
	m.Body = form.Bytes()
	files := func() int {
		entries, err := os.ReadDir(os.Getenv("TMPDIR"))
		require.NoError(t, err)
		return len(entries)
	}
	for _, end := range []func(){func() {}, func() { panic(http.ErrAbortHandler) }} {
		serve(t, m, func(w http.ResponseWriter, r *http.Request) {
			assert.NoError(t, r.ParseMultipartForm(1))
			assert.Equal(t, 1, files())
			end()
		})
		assert.Zero(t, files())
	}
}

func TestBody_ErrorsAreNotSticky(t *testing.T) {
	transient := errors.New("transient")
	x := &strict{}
	x.BodyReader = &failOnce{strings.NewReader("ab"), transient}
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		_, err := r.Body.Read(make([]byte, 1))
		assert.Equal(t, transient, err)
		got, err := io.ReadAll(r.Body)
		assert.Equal(t, "ab", string(got))
		assert.NoError(t, err)
	}), "POST", "/")
	x.Request.More = true
	x.serve(t)
}

type failOnce struct {
	io.Reader
	err error
}

func (f *failOnce) Read(p []byte) (int, error) {
	if err := f.err; err != nil {
		f.err = nil
		return 0, err
	}
	return f.Reader.Read(p)
}
