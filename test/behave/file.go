// Responses from files.

package behave

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Sent is what serveFile's copying came to.
type Sent struct {
	N, At int64 // bytes copied; the file's position then
	Err   string
}

// serveFile copies the file ?path= to the response: from ?offset= on, ?n= bytes
// or all, with ?length= declared, after writing ?first= bytes. It removes the
// file first if ?remove=1, and has ?deadline= milliseconds for it. It tells KEY/start, and KEY/end with what the copying
// came to; with ?stay=1 it returns only when KEY/go has been told.
func serveFile(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key := q.Get("key")
	f, err := os.Open(q.Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer f.Close()
	if q.Get("remove") != "" {
		os.Remove(q.Get("path"))
	}
	if _, err := f.Seek(number(r, "offset"), io.SeekStart); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if q.Has("length") {
		w.Header().Set("Content-Length", q.Get("length"))
	}
	if q.Get("type") != "" {
		w.Header().Set("Content-Type", q.Get("type"))
	}
	w.Write(make([]byte, number(r, "first")))
	tell(key+"/start", "")
	if q.Has("deadline") {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Duration(number(r, "deadline")) * time.Millisecond))
	}
	var sent Sent
	if q.Has("n") {
		sent.N, err = io.CopyN(w, f, number(r, "n"))
	} else {
		sent.N, err = io.Copy(w, f)
	}
	if err != nil {
		sent.Err = err.Error()
	}
	sent.At, _ = f.Seek(0, io.SeekCurrent)
	b, _ := json.Marshal(sent)
	tell(key+"/end", string(b))
	if q.Get("stay") != "" {
		await(r.Context(), key+"/go")
	}
}

// serveContent serves the file ?path= with ranges and conditions.
func serveContent(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(w, r, r.URL.Query().Get("path"))
}

// serveGrowing copies the file ?path= while it grows: each time KEY/i is told
// for ?n= times, and each piece must have arrived before the next is told.
func serveGrowing(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	f, err := os.Open(r.URL.Query().Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer f.Close()
	for i := range int(number(r, "n")) {
		if _, err := await(r.Context(), key+"/"+strconv.Itoa(i)); err != nil {
			return
		}
		io.Copy(w, f)
		if http.NewResponseController(w).Flush() != nil {
			return
		}
	}
}

// openNamed counts the descriptors of the process that are files of that name.
func openNamed(name string) (n int64) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if target == name || target == name+" (deleted)" {
			n++
		}
	}
	return n
}

// serveOpenFiles answers how many descriptors the server has of ?path=.
func serveOpenFiles(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, strconv.FormatInt(openNamed(r.URL.Query().Get("path")), 10))
}
