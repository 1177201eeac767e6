// Fuzz targets. Their corpus is in testdata/fuzz.

package host

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
)

// pairsOf reads lines of name=value.
func pairsOf(s string) (pairs []Pair) {
	for line := range strings.SplitSeq(s, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			pairs = append(pairs, Pair{name, value})
		}
	}
	return pairs
}

func FuzzRequest(f *testing.F) {
	f.Add("REQUEST_METHOD=GET\nREQUEST_URI=/a%2Fb?c=d\nSERVER_PROTOCOL=HTTP/1.1", "Host=a\nX-A=b", []byte("body"), false)
	f.Add("REQUEST_METHOD=POST\nSCRIPT_NAME=/a\nPATH_INFO=/b c\nHTTP_HOST=a\nHTTP_X_Y=z\nCONTENT_LENGTH=3", "", []byte("body"), true)
	f.Add("REQUEST_METHOD=CONNECT\nREQUEST_URI=a:1\nHTTPS=on\nSSL_CLIENT_CERT=-----BEGIN", "Host=a\nTransfer-Encoding=chunked\nTrailer=X, Y\nContent-Length=1", []byte{}, true)
	f.Add("REQUEST_METHOD=OPTIONS\nREQUEST_URI=*\nSERVER_PROTOCOL=HTTP/3", "expect=x\ncookie=a\ncookie=b\npragma=no-cache", []byte(nil), false)
	f.Add("REQUEST_METHOD=GET\nREQUEST_URI=/%61p%/\nSCRIPT_NAME=/ap", "Host=\x7f\nA=12345678\x00", []byte(nil), false)
	called := false
	name := app(func(w http.ResponseWriter, r *http.Request) {
		called = true
		for name, values := range r.Header {
			if !validToken(name) || len(values) == 0 {
				panic("bad header " + name)
			}
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					panic("bad value of " + name)
				}
			}
		}
		if _, ok := r.Header["Proxy"]; ok {
			panic("Proxy")
		}
		if r.URL == nil || r.Body == nil || r.Method == "" || r.ProtoMajor < 1 {
			panic("not a request")
		}
		n, _ := io.Copy(io.Discard, r.Body)
		if r.ContentLength >= 0 && n > r.ContentLength {
			panic("more body than its length")
		}
		_ = r.URL.String()
		r.ParseForm()
		Environ(r)
	})
	quiet := currentSink.Load()
	f.Cleanup(func() { currentSink.Store(quiet) })
	logTo(func(_ slog.Level, msg string) {
		if strings.HasPrefix(msg, "panic") {
			panic(msg)
		}
	}, 0)
	f.Fuzz(func(t *testing.T, environ, headers string, body []byte, more bool) {
		called = false
		m := &Memory{Request: Message{App: name, Environ: pairsOf(environ), Headers: pairsOf(headers), Body: body, More: more}, BodyReader: strings.NewReader("more")}
		Serve(m)
		switch {
		case m.End != Complete:
			t.Fatal("not complete")
		case called && m.Status != 200:
			t.Fatal("status", m.Status)
		case !called && m.Status != 200 && (m.Status < 400 || m.Status > 505):
			t.Fatal("status", m.Status)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add("X-A", "b", "Content-Length", "3", 200, []byte("abc"))
	f.Add("x y", "a\r\nb", "Transfer-Encoding", "chunked", 404, []byte{})
	f.Add("Trailer", "X-B, Host", "X-B", "\x7f", 200, []byte("<html>"))
	f.Add("Trailer:X-A", "1", "content-length", "-1", 304, []byte("x"))
	f.Add("Connection", "close, x", "Content-Type", "", 103, []byte(nil))
	type response struct {
		names  [2]string
		values [2]string
		status int
		body   []byte
	}
	var now response
	name := app(func(w http.ResponseWriter, r *http.Request) {
		for i := range now.names {
			w.Header()[now.names[i]] = append(w.Header()[now.names[i]], now.values[i])
		}
		w.WriteHeader(now.status)
		w.Write(now.body)
	})
	quiet := currentSink.Load()
	f.Cleanup(func() { currentSink.Store(quiet) })
	logTo(func(slog.Level, string) {}, 0)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, status int, body []byte) {
		now = response{[2]string{name1, name2}, [2]string{value1, value2}, status, body}
		m := &Memory{Request: request(name, "GET", "/")}
		Serve(m)
		if m.End == Open || m.Status != 0 && m.Status < 200 {
			t.Fatal("no end", m.Status)
		}
		pairs := append(m.Headers, m.Trailers...)
		for _, i := range m.Info {
			pairs = append(pairs, i.Headers...)
		}
		for _, p := range pairs {
			if !validToken(p.Name) || !validValue(p.Value) || strings.ContainsAny(p.Value, "\r\n\x00") {
				t.Fatalf("sent %q: %q", p.Name, p.Value)
			}
			if hopByHop(p.Name) && p != (Pair{"Connection", "close"}) {
				t.Fatalf("sent %q: %q", p.Name, p.Value)
			}
		}
		if l := field(m.Headers, "Content-Length"); l != "" && m.End == Complete {
			if n, ok := parseLength(l); !ok || n != int64(len(m.Body)) {
				t.Fatalf("length %q, body %d", l, len(m.Body))
			}
		}
	})
}

// FuzzStatus has a handler give any two statuses, to any method: a status is one
// of HTTP's or a panic, the first final one counts, and some have no body.
func FuzzStatus(f *testing.F) {
	for _, status := range []int{0, 99, 100, 101, 103, 199, 200, 204, 205, 304, 404, 600, 999, 1000, -1, 1 << 40} {
		f.Add(status, 200, "GET", "body")
		f.Add(103, status, "HEAD", "")
	}
	var first, second int
	var body string
	name := app(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(first)
		w.WriteHeader(second)
		io.WriteString(w, body)
	})
	quiet := currentSink.Load()
	f.Cleanup(func() { currentSink.Store(quiet) })
	logTo(func(slog.Level, string) {}, 0)
	valid := func(status int) bool { return status >= 100 && status <= 999 }
	final := func(status int) bool { return status >= 200 || status == http.StatusSwitchingProtocols }
	f.Fuzz(func(t *testing.T, status1, status2 int, method, text string) {
		if !validToken(method) || method == "CONNECT" {
			return
		}
		first, second, body = status1, status2, text
		m := &Memory{Request: request(name, method, "/")}
		Serve(m)
		want := 200
		switch {
		case !valid(first) || !final(first) && !valid(second):
			if m.End != Aborted {
				t.Fatal(first, second, m.Status, m.End)
			}
			return
		case final(first):
			want = first
		case final(second):
			want = second
		}
		if want == http.StatusSwitchingProtocols {
			return
		}
		if m.Status != want || m.End != Complete {
			t.Fatal(first, second, m.Status, m.End)
		}
		if len(m.Body) > 0 && (method == "HEAD" || want == 204 || want == 304) {
			t.Fatalf("%d %s with a body", want, method)
		}
		for _, i := range m.Info {
			if i.Status < 100 || i.Status > 199 || i.Status == http.StatusSwitchingProtocols {
				t.Fatal(i.Status)
			}
		}
	})
}

// FuzzFraming has a handler write pieces of any sizes, flushed or not, under any
// Content-Length: the body is their sum, or the response is broken off, and never
// more than was declared.
func FuzzFraming(f *testing.F) {
	f.Add([]byte{5, 200, 3}, "", uint8(0))
	f.Add([]byte{0, 1, 255}, "256", uint8(7))
	f.Add([]byte{10, 10}, "5", uint8(1))
	f.Add([]byte{10, 10}, "25", uint8(2))
	f.Add([]byte{1}, "00000000000000000000001", uint8(0))
	f.Add([]byte{}, "0", uint8(0))
	var sizes []byte
	var length string
	var flush uint8
	name := app(func(w http.ResponseWriter, r *http.Request) {
		if length != "" {
			w.Header().Set("Content-Length", length)
		}
		for i, n := range sizes {
			w.Write(bytes.Repeat([]byte{byte('a' + i%26)}, 37*int(n)))
			if flush>>(i%8)&1 != 0 {
				http.NewResponseController(w).Flush()
			}
		}
	})
	quiet := currentSink.Load()
	f.Cleanup(func() { currentSink.Store(quiet) })
	logTo(func(slog.Level, string) {}, 0)
	f.Fuzz(func(t *testing.T, pieces []byte, declared string, flushes uint8) {
		sizes, length, flush = pieces[:min(len(pieces), 50)], declared, flushes
		var want []byte
		for i, n := range sizes {
			want = append(want, bytes.Repeat([]byte{byte('a' + i%26)}, 37*int(n))...)
		}
		m := &Memory{Request: request(name, "GET", "/")}
		Serve(m)
		if !bytes.HasPrefix(want, m.Body) {
			t.Fatal("other bytes than were written")
		}
		sent := field(m.Headers, "Content-Length")
		n, ok := parseLength(sent)
		switch {
		case m.End == Open:
			t.Fatal("no end")
		case sent == "" && m.End == Complete && len(m.Body) != len(want):
			t.Fatal("cut, and complete", len(m.Body), len(want))
		case sent != "" && (!ok || int64(len(m.Body)) > n):
			t.Fatalf("length %q, body %d", sent, len(m.Body))
		case sent != "" && m.End == Complete && int64(len(m.Body)) != n:
			t.Fatalf("length %q, complete with %d", sent, len(m.Body))
		}
	})
}

// FuzzTarget compares the short way of parsing a target with the long one.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c", "/a??", "/a?", "//a", "/a%20?x", "/ä", "/a:b;c", "/?\x7f", "*", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		var got url.URL
		if !plainTarget(&got, target) {
			return
		}
		want, err := url.ParseRequestURI(target)
		if err != nil || *want != got {
			t.Fatalf("%q: %#v, %#v, %v", target, got, want, err)
		}
	})
}

// FuzzNames compares names and values with package textproto and the plain
// rules.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"accept-encoding", "HOST", "x-y_z", "a b", "ä", "", "12345678\t", "1234567\x7f8", "\x80\x81\x1f89abcdef"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := fieldName(s); ok != validToken(s) || ok && got != textproto.CanonicalMIMEHeaderKey(s) {
			t.Fatalf("%q: %q, %v", s, got, ok)
		}
		if got, want := canonical(s), textproto.CanonicalMIMEHeaderKey(s); got != want {
			t.Fatalf("%q: %q, %q", s, got, want)
		}
		want := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(s, "_", "-"))
		if got, ok := variableName(s); got != want || ok != validToken(want) {
			t.Fatalf("%q: %q, %v, %q", s, got, ok, want)
		}
		bad := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
		if validValue(s) == bad {
			t.Fatalf("%q: %v", s, !bad)
		}
	})
}
