// The application that every contender serves, or stands for.

// Package app is the application of the benchmarks, the same for Pillion, for
// net/http and for net/http/fcgi.
package app

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Hello is what /hello answers, and what contenders without an application
// have as a file or in their configuration: 1 KiB without a line feed.
var Hello = string(bytes.Repeat([]byte("Pillion. "), 114)[:1024])

// ContentType goes with Hello.
const ContentType = "text/plain"

// StreamSize is the size of what /stream answers, in writes of StreamPiece.
const (
	StreamSize  = 1 << 20
	StreamPiece = 32 << 10
)

// FileVariable names the environment variable with the path of what /file
// answers.
const FileVariable = "PILLION_BENCH_FILE"

// New returns the application.
func New() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", ServeHello)
	mux.HandleFunc("/size", size)
	mux.HandleFunc("/stream", stream)
	mux.HandleFunc("/file", file)
	mux.HandleFunc("/upload", upload)
	mux.HandleFunc("/burn", burn)
	mux.HandleFunc("/mallocs", mallocs)
	b := &barrier{}
	b.changed = sync.NewCond(&b.mu)
	mux.HandleFunc("/wait", b.wait)
	mux.HandleFunc("/waiting", b.waiting)
	mux.HandleFunc("/release", b.release)
	return mux
}

// ServeHello answers Hello.
func ServeHello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", ContentType)
	io.WriteString(w, Hello)
}

// size answers n bytes in one write.
func size(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.RawQuery)
	if err != nil || n < 0 || n > len(zeros) {
		http.Error(w, "the query is no size", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(n))
	w.Write(zeros[:n])
}

var zeros [StreamSize]byte

func stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", ContentType)
	for range StreamSize / StreamPiece {
		if _, err := w.Write(zeros[:StreamPiece]); err != nil {
			return
		}
	}
}

func file(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(w, r, os.Getenv(FileVariable))
}

func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, n)
}

// burn keeps a processor busy until the client leaves.
func burn(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush()
	for ctx := r.Context(); ctx.Err() == nil; {
	}
}

// mallocs answers how many objects, and how many bytes, have been allocated.
func mallocs(w http.ResponseWriter, r *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprint(w, m.Mallocs, " ", m.TotalAlloc)
}

// ServeTimes answers when it began and when it was about to answer: nanoseconds
// since 1970, as two numbers of the processor's byte order.
func ServeTimes(w http.ResponseWriter, r *http.Request) {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:], uint64(time.Now().UnixNano()))
	w.Header().Set("Content-Type", ContentType)
	binary.NativeEndian.PutUint64(b[8:], uint64(time.Now().UnixNano()))
	w.Write(b[:])
}

// A barrier holds requests until it is told to let them go.
type barrier struct {
	mu      sync.Mutex
	changed *sync.Cond
	held    int
	round   int
}

func (b *barrier) wait(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.held++
	b.changed.Broadcast()
	for round := b.round; b.round == round; {
		b.changed.Wait()
	}
	b.mu.Unlock()
	ServeHello(w, r)
}

// waiting answers when as many requests wait as the query says.
func (b *barrier) waiting(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.RawQuery)
	if err != nil {
		http.Error(w, "the query is no number", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	for b.held < n {
		b.changed.Wait()
	}
	b.mu.Unlock()
}

func (b *barrier) release(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.held = 0
	b.round++
	b.changed.Broadcast()
	b.mu.Unlock()
}
