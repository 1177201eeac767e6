// What a request costs.

package host

import (
	"net/http"
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

func BenchmarkRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s := newServing(nil, &benchMessage)
		if _, refused := s.newRequest(); refused != nil {
			b.Fatal(refused)
		}
		s.cancel(nil)
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
