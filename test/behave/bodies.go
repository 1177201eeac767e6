// Bodies: large, slow, in pieces, both ways.

package behave

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Pattern returns a reader of n bytes that depend on seed only.
func Pattern(seed string, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(seed))), n)
}

// PatternHash is the hexadecimal SHA-256 of Pattern.
func PatternHash(seed string, n int64) string {
	type pattern struct {
		seed string
		n    int64
	}
	if sum, ok := hashes.Load(pattern{seed, n}); ok {
		return sum.(string)
	}
	h := sha256.New()
	io.Copy(h, Pattern(seed, n))
	sum := hex.EncodeToString(h.Sum(nil))
	hashes.Store(pattern{seed, n}, sum)
	return sum
}

var hashes sync.Map // what PatternHash has found: tests ask for the same ones of each host

func number(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	return n
}

// Sum is what serveHash found in a body.
type Sum struct {
	Bytes  int64
	SHA256 string
	Length int64    // Content-Length, -1 if not known
	Coding []string // Transfer-Encoding
	Err    string
}

// serveHash reads the body to its end and answers with its Sum.
func serveHash(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	sum := Sum{n, hex.EncodeToString(h.Sum(nil)), r.ContentLength, r.TransferEncoding, ""}
	if err != nil {
		sum.Err = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(sum)
}

// serveEcho sends the body back as it comes, at once if ?flush=1.
func serveEcho(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).EnableFullDuplex()
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.URL.Query().Get("flush") == "" {
		io.Copy(w, r.Body)
		return
	}
	buf := make([]byte, 4096)
	for {
		n, err := r.Body.Read(buf)
		w.Write(buf[:n])
		if http.NewResponseController(w).Flush() != nil || err != nil {
			return
		}
	}
}

// serveBytes sends Pattern(?seed=, ?n=) in writes of ?write= bytes, with a
// Content-Length if ?length=1, after reading the request body if ?read=1.
func serveBytes(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n := number(r, "n")
	w.Header().Set("Content-Type", "application/octet-stream")
	if q.Get("length") != "" {
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	}
	if q.Get("read") != "" {
		io.Copy(io.Discard, r.Body)
	}
	size := number(r, "write")
	if size == 0 {
		size = 32 << 10
	}
	// Hides ReadFrom: the sizes of the writes are the point.
	io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{Pattern(q.Get("seed"), n)}, make([]byte, size))
}

// serveFill is serveBytes with the counter ?key= of the bytes that Write has
// taken, and the events KEY/start and KEY/end.
func serveFill(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	n, count := number(r, "n"), counter(key)
	tell(key+"/start", "")
	w.Header().Set("Content-Type", "application/octet-stream")
	src := Pattern(key, n)
	buf := make([]byte, 8<<10)
	for {
		got, err := io.ReadFull(src, buf)
		if got > 0 {
			wrote, err := w.Write(buf[:got])
			count.Add(int64(wrote))
			if err != nil {
				tell(key+"/end", "error: "+err.Error())
				return
			}
		}
		if err != nil {
			tell(key+"/end", "done")
			return
		}
	}
}

// serveSlowUpload reads ?first= bytes, tells KEY/first, waits for KEY/go and
// reads the rest. It answers with the Sum of the whole.
func serveSlowUpload(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	h := sha256.New()
	first, err := io.CopyN(h, r.Body, number(r, "first"))
	tell(key+"/first", strconv.FormatInt(first, 10))
	if err == nil {
		_, err = await(r.Context(), key+"/go")
	}
	var rest int64
	if err == nil {
		rest, err = io.Copy(h, r.Body)
	}
	sum := Sum{Bytes: first + rest, SHA256: hex.EncodeToString(h.Sum(nil)), Length: r.ContentLength, Coding: r.TransferEncoding}
	if err != nil {
		sum.Err = err.Error()
	}
	tell(key+"/end", sum.Err)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(sum)
}

// servePieces sends "piece 0\n" to "piece N-1\n", ?n= of them, flushes each
// and waits for KEY/i before the next: a client that tells KEY/i only when it
// has seen piece i proves that nothing holds them back.
func servePieces(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range int(number(r, "n")) {
		io.WriteString(w, "piece "+strconv.Itoa(i)+"\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		if _, err := await(r.Context(), key+"/"+strconv.Itoa(i)); err != nil {
			return
		}
	}
}

// serveCross answers with the token of the path, the header and the body, when
// as many requests as ?meet= says have come together.
func serveCross(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	body, _ := io.ReadAll(r.Body)
	if meet := number(r, "meet"); meet > 0 {
		key := q.Get("key")
		if counter(key+"/met").Add(1) == meet {
			tell(key+"/all", "")
		}
		if _, err := await(r.Context(), key+"/all"); err != nil {
			return
		}
	}
	tokens := []string{r.PathValue("token"), q.Get("token"), r.Header.Get("X-Token"), string(body)}
	w.Header().Set("X-Token", tokens[2])
	io.WriteString(w, strings.Join(tokens, "\n"))
}

// serveRetry reads a byte with a deadline that passes first, and again without
// one.
func serveRetry(w http.ResponseWriter, r *http.Request) {
	control, b := http.NewResponseController(w), make([]byte, 1)
	control.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := r.Body.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		http.Error(w, "the deadline did not pass", http.StatusInternalServerError)
		return
	}
	control.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(r.Body, b); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// serveLimited reads the body through a http.MaxBytesReader of ?max= bytes, and
// answers 413 if it is longer.
func serveLimited(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, number(r, "max")))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}
	io.WriteString(w, strconv.FormatInt(n, 10))
}
