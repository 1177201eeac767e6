// What a request costs.

package host

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
)

var benchMessage = Message{
	App: "bench",
	Environ: []Pair{
		{"REQUEST_METHOD", "GET"},
		{"REQUEST_URI", "/hello/world?x=1&y=2"},
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"SCRIPT_NAME", ""},
		{"PATH_INFO", "/hello/world"},
		{"QUERY_STRING", "x=1&y=2"},
		{"SERVER_NAME", "localhost"},
		{"SERVER_ADDR", "127.0.0.1"},
		{"SERVER_PORT", "8080"},
		{"REMOTE_ADDR", "127.0.0.1"},
		{"REMOTE_PORT", "40000"},
		{"REQUEST_SCHEME", "http"},
	},
	Headers: []Pair{
		{"Host", "localhost:8080"},
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{"Accept-Language", "en-US,en;q=0.5"},
		{"Accept-Encoding", "gzip, deflate, br"},
		{"Cookie", "session=0123456789abcdef0123456789abcdef"},
	},
}

func init() {
	HandleFunc("bench", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("hello, world\n"))
	})
}

// discard is an Exchange that costs nothing.
type discard struct {
	Memory
}

func (d *discard) Send(*Part) error { return nil }

// manyFields is benchMessage with a hundred more header fields, those that
// bench has its clients send.
func manyFields() *Message {
	m := benchMessage
	for i := range 100 {
		m.Headers = append(m.Headers[:len(m.Headers):len(m.Headers)],
			Pair{fmt.Sprintf("X-Header-%d", i), fmt.Sprintf("a value of some length %d", i)})
	}
	return &m
}

func BenchmarkRequest(b *testing.B)          { benchmarkRequest(b, &benchMessage) }
func BenchmarkRequest100Fields(b *testing.B) { benchmarkRequest(b, manyFields()) }

// BenchmarkRequestClientCertificate is one over TLS, of a client with a
// certificate.
func BenchmarkRequestClientCertificate(b *testing.B) {
	m := benchMessage
	m.Environ = append(m.Environ[:len(m.Environ):len(m.Environ)],
		Pair{"HTTPS", "on"}, Pair{"SSL_CLIENT_VERIFY", "SUCCESS"}, Pair{"SSL_CLIENT_CERT", newCertificate(b, 1)})
	benchmarkRequest(b, &m)
}

func benchmarkRequest(b *testing.B, m *Message) {
	b.ReportAllocs()
	for b.Loop() {
		s := newServing(nil, m)
		if _, refused := s.newRequest(); refused != nil {
			b.Fatal(refused)
		}
		s.cancel(nil)
	}
}

func BenchmarkRequestFloor(b *testing.B)          { benchmarkFloor(b, &benchMessage) }
func BenchmarkRequest100FieldsFloor(b *testing.B) { benchmarkFloor(b, manyFields()) }

var kept *http.Request

// benchmarkFloor makes what an application may keep of a request, with all known
// beforehand: nothing is looked for, checked or copied.
func benchmarkFloor(b *testing.B, m *Message) {
	b.ReportAllocs()
	for b.Loop() {
		r := new(struct {
			request http.Request
			url     url.URL
		})
		values := make([]string, len(m.Headers))
		header := make(http.Header, len(m.Headers))
		for i := range m.Headers {
			values[i] = m.Headers[i].Value
			header[m.Headers[i].Name] = values[i : i+1 : i+1]
		}
		r.request.URL, r.request.Header = &r.url, header
		kept = &r.request
	}
}

func BenchmarkServe(b *testing.B) {
	x := &discard{Memory{Request: benchMessage}}
	b.ReportAllocs()
	for b.Loop() {
		Serve(x)
	}
}

func BenchmarkServeMemory(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		x := &Memory{Request: benchMessage}
		Serve(x)
		if x.End != Complete {
			b.Fatal("not complete")
		}
	}
}

func BenchmarkServeParallel(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := &discard{Memory{Request: benchMessage}}
		for pb.Next() {
			Serve(x)
		}
	})
}
