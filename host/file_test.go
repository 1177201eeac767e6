package host

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fromFiles is fromHere for a server that sends files, with how many stretches
// of files it was given.
func fromFiles(t *testing.T, h http.HandlerFunc, method string, fields ...Pair) (a answer, files int) {
	m := request("", method, "/", fields...)
	m.Files = true
	x := serve(t, m, h)
	for _, p := range x.parts {
		if p.File != nil {
			files++
		}
	}
	return answerOf(x), files
}

// copied is what copying a file looks like to a handler.
type copied struct {
	N, At, Left int64 // Left of a LimitedReader
	Err         string
}

func TestReadFrom_FilesAsNetHTTP(t *testing.T) {
	captureLog(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	large := file("large", strings.Repeat("0123456789", 10000))
	html := file("html", "<html>"+strings.Repeat("x", 100000))
	small := file("small", "small")
	exact := file("exact", strings.Repeat("x", copyLen))
	sys := "/sys/kernel/mm/transparent_hugepage/enabled"

	set := func(w http.ResponseWriter, name, value string) { w.Header().Set(name, value) }
	write := func(w http.ResponseWriter, n int) { w.Write(bytes.Repeat([]byte("w"), n)) }
	all := func(w http.ResponseWriter, f *os.File) copied {
		n, err := io.Copy(w, f)
		return copied{N: n, Err: errText(err)}
	}
	part := func(w http.ResponseWriter, f *os.File, n int64) copied {
		limited := &io.LimitedReader{R: f, N: n}
		n, err := io.Copy(w, limited)
		return copied{N: n, Left: limited.N, Err: errText(err)}
	}

	for name, c := range map[string]struct {
		path  string
		do    func(w http.ResponseWriter, f *os.File) copied
		files int // stretches a GET's answer has
	}{
		"all":      {large, all, 1},
		"sniffed":  {html, all, 1},
		"small":    {small, all, 0},
		"one read": {exact, all, 0},
		"a type": {html, func(w http.ResponseWriter, f *os.File) copied {
			set(w, "Content-Type", "a/b")
			return all(w, f)
		}, 1},
		"encoded": {html, func(w http.ResponseWriter, f *os.File) copied {
			set(w, "Content-Encoding", "gzip")
			return all(w, f)
		}, 1},
		"part":          {large, func(w http.ResponseWriter, f *os.File) copied { return part(w, f, 50000) }, 1},
		"small part":    {large, func(w http.ResponseWriter, f *os.File) copied { return part(w, f, 500) }, 0},
		"empty part":    {large, func(w http.ResponseWriter, f *os.File) copied { return part(w, f, 0) }, 0},
		"negative part": {large, func(w http.ResponseWriter, f *os.File) copied { return part(w, f, -5) }, 0},
		"beyond its end": {large, func(w http.ResponseWriter, f *os.File) copied {
			return part(w, f, 1<<20)
		}, 1},
		"too short for CopyN": {large, func(w http.ResponseWriter, f *os.File) copied {
			n, err := io.CopyN(w, f, 1<<20)
			return copied{N: n, Err: errText(err)}
		}, 1},
		"from the middle": {large, func(w http.ResponseWriter, f *os.File) copied {
			f.Seek(12345, io.SeekStart)
			return all(w, f)
		}, 1},
		"at its end": {large, func(w http.ResponseWriter, f *os.File) copied { f.Seek(0, io.SeekEnd); return all(w, f) }, 0},
		"past its end": {large, func(w http.ResponseWriter, f *os.File) copied {
			f.Seek(1000000, io.SeekStart)
			return all(w, f)
		}, 0},
		"twice": {large, func(w http.ResponseWriter, f *os.File) copied {
			first := part(w, f, 40000)
			second := part(w, f, 50000)
			second.N += first.N
			return second
		}, 2},
		"after a little": {html, func(w http.ResponseWriter, f *os.File) copied { write(w, 10); return all(w, f) }, 1},
		"after a lot":    {html, func(w http.ResponseWriter, f *os.File) copied { write(w, 5000); return all(w, f) }, 1},
		"after a flush": {large, func(w http.ResponseWriter, f *os.File) copied {
			w.(http.Flusher).Flush()
			return all(w, f)
		}, 1},
		"before a write": {large, func(w http.ResponseWriter, f *os.File) copied {
			defer write(w, 3)
			return all(w, f)
		}, 1},
		"its length": {large, func(w http.ResponseWriter, f *os.File) copied {
			set(w, "Content-Length", "100000")
			return all(w, f)
		}, 1},
		"less than its length": {large, func(w http.ResponseWriter, f *os.File) copied {
			set(w, "Content-Length", "100001")
			return all(w, f)
		}, 1},
		"status 204": {large, func(w http.ResponseWriter, f *os.File) copied { w.WriteHeader(204); return all(w, f) }, 0},
		"status 304": {large, func(w http.ResponseWriter, f *os.File) copied { w.WriteHeader(304); return all(w, f) }, 0},
		"status 500": {large, func(w http.ResponseWriter, f *os.File) copied { w.WriteHeader(500); return all(w, f) }, 1},
		"trailers": {large, func(w http.ResponseWriter, f *os.File) copied {
			set(w, "Trailer", "X-T")
			defer set(w, "X-T", "1")
			return all(w, f)
		}, 1},
		"a hidden ReadFrom": {large, func(w http.ResponseWriter, f *os.File) copied {
			n, err := io.Copy(struct{ io.Writer }{w}, f)
			return copied{N: n, Err: errText(err)}
		}, 0},
		"a hidden file": {large, func(w http.ResponseWriter, f *os.File) copied {
			n, err := io.Copy(w, bare{f})
			return copied{N: n, Err: errText(err)}
		}, 0},
		"removed": {file("removed", strings.Repeat("r", 100000)), func(w http.ResponseWriter, f *os.File) copied {
			return all(w, f)
		}, 1},
		"grown": {file("grown", ""), func(w http.ResponseWriter, f *os.File) copied {
			os.WriteFile(f.Name(), bytes.Repeat([]byte("a"), 100000), 0o600)
			first := all(w, f)
			os.WriteFile(f.Name(), bytes.Repeat([]byte("b"), 200000), 0o600)
			second := all(w, f)
			second.N += first.N
			return second
		}, 2},
		"truncated before": {file("truncated", strings.Repeat("t", 100000)), func(w http.ResponseWriter, f *os.File) copied {
			os.Truncate(f.Name(), 50000)
			return all(w, f)
		}, 1},
		"shorter than its size says": {sys, all, 0},
		"shorter than its size says, after a flush": {sys, func(w http.ResponseWriter, f *os.File) copied {
			w.(http.Flusher).Flush()
			return all(w, f)
		}, 0},
		"closed":      {large, func(w http.ResponseWriter, f *os.File) copied { f.Close(); return all(w, f) }, 0},
		"a directory": {dir, all, 0},
		"write-only": {large, func(w http.ResponseWriter, f *os.File) copied {
			own, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
			require.NoError(t, err)
			defer own.Close()
			return all(w, own)
		}, 0},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				var saw copied
				handler := func(w http.ResponseWriter, r *http.Request) {
					f, err := os.Open(c.path)
					if !assert.NoError(t, err) {
						return
					}
					defer f.Close()
					if name == "removed" {
						require.NoError(t, os.Remove(c.path))
						defer os.WriteFile(c.path, bytes.Repeat([]byte("r"), 100000), 0o600)
					}
					saw = c.do(w, f)
					saw.At, _ = f.Seek(0, io.SeekCurrent)
				}
				want := fromNetHTTP(t, http.HandlerFunc(handler), method, "")
				wantSaw := saw
				got, files := fromFiles(t, handler, method)
				assert.Equal(t, want, got)
				if want.Status == 204 || want.Status == 304 {
					saw.At, wantSaw.At = 0, 0 // what was read to find out that it cannot be sent
				}
				assert.Equal(t, wantSaw, saw)
				if method == "HEAD" {
					c.files = 0
				}
				assert.Equal(t, c.files, files)
			})
		}
	}
}

func TestReadFrom_ServedFilesAsNetHTTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "served.txt")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("0123456789"), 50000), 0o600))
	handlers := map[string]http.HandlerFunc{
		"ServeFile": func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) },
		"FileServer": func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/served.txt"
			http.FileServer(http.Dir(filepath.Dir(path))).ServeHTTP(w, r)
		},
		"FileServerFS": func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/served.txt"
			http.FileServerFS(os.DirFS(filepath.Dir(path))).ServeHTTP(w, r)
		},
	}
	for name, h := range handlers {
		for _, c := range []struct {
			field, value string
			files        int
		}{
			{"X-None", "1", 1},
			{"Range", "bytes=1000-99999", 1},
			{"Range", "bytes=-100000", 1},
			{"Range", "bytes=100000-", 1},
			{"Range", "bytes=5-9", 0},
			{"Range", "bytes=0-99999,200000-399999", 0},
			{"Range", "bytes=600000-", 0},
			{"If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 0},
		} {
			t.Run(name+"/"+c.field+" "+c.value, func(t *testing.T) {
				want := fromNetHTTP(t, h, "GET", c.field+": "+c.value+"\r\n")
				got, files := fromFiles(t, h, "GET", Pair{c.field, c.value})
				if strings.Contains(c.value, ",") { // the boundary is random
					assert.Len(t, got.Body, len(want.Body))
					assert.Equal(t, want.Status, got.Status)
				} else {
					assert.Equal(t, want, got)
				}
				if name == "FileServerFS" {
					c.files = 0 // http.FS hides the file
				}
				assert.Equal(t, c.files, files)
			})
		}
	}
}

func errText(err error) string {
	var path *os.PathError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// largeFile opens a file of 100,000 bytes.
func largeFile(t *testing.T) *os.File {
	path := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 100000), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// serveFiles is serve for a server that sends files, what it is given by way of
// send.
func serveFiles(t *testing.T, send func(*Part) error, h http.HandlerFunc) *strict {
	x := &strict{}
	x.Request = request(app(h), "GET", "/")
	x.Request.Files = true
	x.OnPart = send
	return x.serve(t)
}

func TestReadFrom_FileBeyondItsLengthIsCut(t *testing.T) {
	f := largeFile(t)
	x := serveFiles(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "60000")
		n, err := io.Copy(w, f)
		assert.EqualValues(t, 60000, n)
		assert.Equal(t, http.ErrContentLength, err)
		n, err = io.Copy(w, f)
		assert.Zero(t, n)
		assert.Equal(t, http.ErrContentLength, err)
	})
	assert.Len(t, x.Body, 60000)
	assert.Equal(t, Complete, x.End)
	at, _ := f.Seek(0, io.SeekCurrent)
	assert.EqualValues(t, 60000, at)
}

func TestReadFrom_FileIsOnePartWithItsHead(t *testing.T) {
	f := largeFile(t)
	x := serveFiles(t, nil, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		io.Copy(w, f)
	})
	require.Len(t, x.parts, 2)
	p := x.parts[0]
	assert.Equal(t, 200, p.Status)
	assert.Equal(t, []Pair{{"Content-Type", "text/plain; charset=utf-8"}}, p.Headers)
	assert.Equal(t, "first ", string(p.Body))
	assert.EqualValues(t, 0, p.Offset)
	assert.EqualValues(t, 100000, p.Length)
	assert.Equal(t, Part{End: Complete}, x.parts[1])
}

func TestReadFrom_FileThatCannotBeSentIsRead(t *testing.T) {
	f := largeFile(t)
	refused := 0
	x := serveFiles(t, func(p *Part) error {
		if p.File != nil {
			refused++
			return errors.ErrUnsupported
		}
		return nil
	}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		n, err := io.Copy(w, f)
		assert.EqualValues(t, 100000, n)
		assert.NoError(t, err)
	})
	assert.Equal(t, 1, refused)
	assert.Len(t, x.Body, 100006)
	assert.Equal(t, []Pair{{"Content-Type", "text/plain; charset=utf-8"}}, x.Headers)
	assert.Equal(t, Complete, x.End)
}

func TestReadFrom_ClientThatLeavesInAFile(t *testing.T) {
	f := largeFile(t)
	left := errors.New("left")
	x := serveFiles(t, func(p *Part) error {
		if p.File != nil {
			p.Sent = int64(len(p.Body)) + 12345
			return left
		}
		return nil
	}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		limited := &io.LimitedReader{R: f, N: 50000}
		n, err := io.Copy(w, limited)
		assert.EqualValues(t, 12345, n)
		assert.Equal(t, left, err)
		assert.EqualValues(t, 50000-12345, limited.N)
		assert.Error(t, r.Context().Err())
		n, err = io.Copy(w, f)
		assert.Zero(t, n)
		assert.Equal(t, left, err)
	})
	assert.Equal(t, Aborted, x.End)
	at, _ := f.Seek(0, io.SeekCurrent)
	assert.EqualValues(t, 12345, at)
}

func TestReadFrom_FileAfterReturnIsRefused(t *testing.T) {
	f := largeFile(t)
	var kept http.ResponseWriter
	serveFiles(t, nil, func(w http.ResponseWriter, r *http.Request) { kept = w })
	n, err := io.Copy(kept, f)
	assert.Zero(t, n)
	assert.Equal(t, ErrHandlerReturned, err)
}

func TestMemory_FileThatShrinksIsACut(t *testing.T) {
	f := largeFile(t)
	x := serveFiles(t, func(p *Part) error {
		if p.File != nil {
			return os.Truncate(f.Name(), 60000)
		}
		return nil
	}, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, f)
		assert.EqualValues(t, 60000, n)
		assert.Error(t, err)
		assert.Error(t, r.Context().Err())
	})
	assert.Len(t, x.Body, 60000)
	assert.Equal(t, Aborted, x.End)
}
