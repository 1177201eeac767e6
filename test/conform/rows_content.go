// http.ServeContent, ServeFile, FileServer, redirects and errors.

package conform

import (
	"embed"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// content is what the rows serve; modified is when it was changed.
var (
	content  = strings.Repeat("0123456789", 1000)
	modified = time.Unix(1e9, 0)
)

//go:embed site
var site embed.FS

func siteFS() fs.FS {
	sub, err := fs.Sub(site, "site")
	if err != nil {
		panic(err)
	}
	return sub
}

// serves is a row whose handler serves content, asked for by GET with fields.
func serves(name string, fields ...string) Row {
	return Row{Name: "content: " + name, Request: ask("GET / HTTP/1.1", fields...), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Etag", `"v1"`)
		http.ServeContent(w, r, "a.txt", modified, strings.NewReader(content))
	}}
}

// file is a file with content that the process makes for itself; the handler
// opens it by name.
func file(run *Run, size int) string {
	f, err := os.CreateTemp("", "pillion-conform-*.txt")
	if err != nil {
		run.Note("no file", err)
		return ""
	}
	defer f.Close()
	io.WriteString(f, strings.Repeat("0123456789", size/10))
	os.Chtimes(f.Name(), modified, modified)
	return f.Name()
}

// servesFile is a row whose handler serves a file of that size.
func servesFile(name, request string, size int, handler func(w http.ResponseWriter, r *http.Request, run *Run, name string)) Row {
	return Row{Name: "file: " + name, Request: request, Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		name := file(run, size)
		defer os.Remove(name)
		handler(w, r, run, name)
	}}
}

func serveFile(w http.ResponseWriter, r *http.Request, run *Run, name string) {
	http.ServeFile(w, r, name)
}

// opened hands the open file to handler.
func opened(handler func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File)) func(w http.ResponseWriter, r *http.Request, run *Run, name string) {
	return func(w http.ResponseWriter, r *http.Request, run *Run, name string) {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			run.Note("open", err)
			return
		}
		defer f.Close()
		handler(w, r, run, f)
	}
}

var get, head = ask("GET / HTTP/1.1"), ask("HEAD / HTTP/1.1")

var contentRows = []Row{
	serves("whole"),
	serves("whole, HEAD").asking(head),
	serves("range", "Range: bytes=10-19"),
	serves("range, HEAD").asking(ask("HEAD / HTTP/1.1", "Range: bytes=10-19")),
	serves("range to the end", "Range: bytes=9990-"),
	serves("range of the last", "Range: bytes=-10"),
	serves("range beyond the end", "Range: bytes=9990-99999"),
	serves("range after the end", "Range: bytes=10000-"),
	serves("range of nothing", "Range: bytes=-0"),
	serves("range, malformed", "Range: bytes=a-b"),
	serves("range of another unit", "Range: lines=1-2"),
	serves("range, two overlap into all", "Range: bytes=0-9000,1000-"),
	serves("range, If-Range holds", "Range: bytes=0-9", `If-Range: "v1"`),
	serves("range, If-Range does not hold", "Range: bytes=0-9", `If-Range: "v2"`),
	serves("range, If-Range of a date", "Range: bytes=0-9", "If-Range: Sun, 09 Sep 2001 01:46:40 GMT"),
	serves("If-None-Match holds", `If-None-Match: "v1"`),
	serves("If-None-Match, weak in a list", `If-None-Match: "v0", W/"v1"`),
	serves("If-None-Match, any", "If-None-Match: *"),
	serves("If-None-Match does not hold", `If-None-Match: "v2"`),
	serves("If-Match holds", `If-Match: "v1"`),
	serves("If-Match does not hold", `If-Match: "v2"`),
	serves("If-Modified-Since holds", "If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"),
	serves("If-Modified-Since does not hold", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"),
	serves("If-Unmodified-Since holds", "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT"),
	serves("If-Unmodified-Since does not hold", "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"),
	serves("two ranges", "Range: bytes=0-4,10-14"),
	does("content: type by content", func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.ServeContent(w, r, "", modified, strings.NewReader("<html>"))
	}),
	does("content: no time", func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.ServeContent(w, r, "a.json", time.Time{}, strings.NewReader("{}"))
	}),
	does("content: empty", func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.ServeContent(w, r, "a.txt", modified, strings.NewReader(""))
	}),
	does("content: encoded", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Encoding", "gzip")
		http.ServeContent(w, r, "a.txt", modified, strings.NewReader("not really"))
	}),

	servesFile("ServeFile", get, 10000, serveFile),
	servesFile("ServeFile, HEAD", head, 10000, serveFile),
	servesFile("ServeFile of nothing", get, 0, serveFile),
	servesFile("ServeFile, 3 MiB", get, 3<<20, serveFile),
	servesFile("ServeFile, range", ask("GET / HTTP/1.1", "Range: bytes=100-8099"), 10000, serveFile),
	servesFile("ServeFile, range of 1 byte", ask("GET / HTTP/1.1", "Range: bytes=7-7"), 10000, serveFile),
	servesFile("ServeFile, range in 3 MiB", ask("GET / HTTP/1.1", "Range: bytes=1000000-2999999"), 3<<20, serveFile),
	servesFile("ServeFile, not modified", ask("GET / HTTP/1.1", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"), 10000, serveFile),
	servesFile("ServeFile, 1.0", ask("GET / HTTP/1.0"), 10000, serveFile).onlyOne(version),
	servesFile("copied", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
		at, err := f.Seek(0, io.SeekCurrent)
		run.Note("position", at, err)
	})),
	servesFile("copied with a length", get, 100000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "100000")
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
	})),
	servesFile("copied in part", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		f.Seek(100, io.SeekStart)
		n, err := io.CopyN(w, f, 5000)
		run.Note("copy", n, err)
		at, err := f.Seek(0, io.SeekCurrent)
		run.Note("position", at, err)
		io.WriteString(w, "and more")
	})),
	servesFile("copied in two parts", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "10000")
		n, err := io.CopyN(w, f, 5000)
		run.Note("copy", n, err)
		n, err = io.CopyN(w, f, 5000)
		run.Note("copy", n, err)
		n, err = io.CopyN(w, f, 5000)
		run.Note("copy", n, err)
	})),
	servesFile("copied beyond the length", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "100")
		_, err := io.Copy(w, f)
		run.Note("copy", err)
	})),
	servesFile("shorter than the length", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "20000")
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
	})),
	servesFile("shorter than asked for", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "20000")
		n, err := io.CopyN(w, f, 20000)
		run.Note("copy", n, err)
	})),
	servesFile("truncated before it is copied", get, 100000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "100000")
		flush(w)
		f.Truncate(50000)
		n, err := io.CopyN(w, f, 100000)
		run.Note("copy", n, err)
	})),
	servesFile("grown before it is copied", get, 1000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Content-Length", "1000")
		f.WriteAt([]byte(content), 1000)
		n, err := io.CopyN(w, f, 1000)
		run.Note("copy", n, err)
	})),
	servesFile("closed right after the copy", get, 3<<20, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
		run.Note("close", f.Close())
		os.Truncate(f.Name(), 0)
	})),
	servesFile("closed before the copy", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		f.Close()
		_, err := io.Copy(w, f)
		run.Note("fails", err != nil, errors.Is(err, os.ErrClosed))
	})),
	servesFile("at its end", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		f.Seek(0, io.SeekEnd)
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
	})),
	servesFile("after bytes and before bytes", get, 100000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		io.WriteString(w, "before ")
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
		io.WriteString(w, " after")
	})),
	servesFile("of a 204", get, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		w.WriteHeader(204)
		_, err := io.Copy(w, f)
		run.Note("copy", err)
	})),
	servesFile("copied, HEAD", head, 10000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
	})),
	servesFile("with trailers", get, 100000, opened(func(w http.ResponseWriter, r *http.Request, run *Run, f *os.File) {
		set(w, "Trailer", "X-A")
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
		set(w, "X-A", "1")
	})),
	does("file: a directory", func(w http.ResponseWriter, r *http.Request, run *Run) { http.ServeFile(w, r, "/proc/self/fd/none") }),
	does("file: /dev/zero in part", func(w http.ResponseWriter, r *http.Request, run *Run) {
		f, err := os.Open("/dev/zero")
		run.Note("open", err)
		defer f.Close()
		n, err := io.CopyN(w, f, 10000)
		run.Note("copy", n, err)
	}),
	does("file: of /proc, which has no size", func(w http.ResponseWriter, r *http.Request, run *Run) {
		f, err := os.Open("/proc/sys/kernel/ostype")
		run.Note("open", err)
		defer f.Close()
		n, err := io.Copy(w, f)
		run.Note("copy", n, err)
	}),
	does("file: a pipe", func(w http.ResponseWriter, r *http.Request, run *Run) {
		pr, pw, err := os.Pipe()
		run.Note("pipe", err)
		defer pr.Close()
		go func() {
			write(pw, 5000)
			pw.Close()
		}()
		n, err := io.Copy(w, pr)
		run.Note("copy", n, err)
	}),

	visits("index", "GET / HTTP/1.1"),
	visits("file", "GET /a.txt HTTP/1.1"),
	visits("file, HEAD", "HEAD /a.txt HTTP/1.1"),
	visits("directory", "GET /sub/ HTTP/1.1"),
	visits("directory without a slash", "GET /sub HTTP/1.1"),
	visits("file with a slash", "GET /a.txt/ HTTP/1.1"),
	visits("index by name", "GET /index.html HTTP/1.1"),
	visits("missing", "GET /none HTTP/1.1"),
	visits("dots", "GET /sub/../a.txt HTTP/1.1"),
	visits("above the root", "GET /../../etc/passwd HTTP/1.1"),
	visits("zero byte", "GET /a%00.txt HTTP/1.1"),
	visits("POST", "POST /a.txt HTTP/1.1"),
	does("site: on disk", func(w http.ResponseWriter, r *http.Request, run *Run) {
		dir, err := os.MkdirTemp("", "pillion-conform-")
		run.Note("directory", err)
		defer os.RemoveAll(dir)
		run.Note("files", os.CopyFS(dir, siteFS()))
		os.Chtimes(filepath.Join(dir, "sub"), modified, modified)
		r.URL.Path = "/sub/"
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}),

	redirects("relative", "/a/b", "next", http.StatusFound),
	redirects("absolute path", "/a/b", "/next?x=y", http.StatusMovedPermanently),
	redirects("with a query of the request", "/a/b?q=1", "../c", http.StatusSeeOther),
	redirects("URL", "/", "https://other.example/a b", http.StatusTemporaryRedirect),
	redirects("not ASCII", "/", "/ä?ö", http.StatusPermanentRedirect),
	redirects("own type", "/", "/next", http.StatusFound, "Content-Type", "a/b"),
	{Name: "redirect: of a POST", Request: ask("POST /a HTTP/1.1", "Content-Length: 0"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.Redirect(w, r, "/next", http.StatusFound)
	}},
	does("error: http.Error drops fields", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "77")
		set(w, "Content-Encoding", "gzip")
		set(w, "Etag", `"a"`)
		set(w, "Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT")
		set(w, "Cache-Control", "max-age=10")
		set(w, "X-A", "1")
		http.Error(w, "no <b>way</b>", http.StatusForbidden)
	}),
	does("error: http.NotFound", func(w http.ResponseWriter, r *http.Request, run *Run) { http.NotFound(w, r) }),
}

// asking is the row with another request.
func (row Row) asking(request string) Row {
	row.Request = request
	return row
}

// onlyOne is the row for HTTP/1 only.
func (row Row) onlyOne(why string) Row { return one(why, row) }

// visits is a row of a FileServer.
func visits(name, line string) Row {
	return Row{Name: "site: " + name, Request: ask(line), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.FileServerFS(siteFS()).ServeHTTP(w, r)
	}}
}

func redirects(name, from, to string, status int, fields ...string) Row {
	return Row{Name: "redirect: " + name, Request: ask("GET " + from + " HTTP/1.1"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		for i := 0; i < len(fields); i += 2 {
			set(w, fields[i], fields[i+1])
		}
		http.Redirect(w, r, to, status)
	}}
}
