// Responses made to order.

package behave

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Spec is a response to order, see serveRespond.
type Spec struct {
	Status   int         // 0: no WriteHeader
	Headers  [][2]string // set on the header map as they are, names too
	Pieces   []string    // a Write each
	Flush    bool        // after each piece
	Size     int64       // then as many bytes of Pattern("", Size)
	Trailers [][2]string // set when all is written
	Infos    []int       // informational heads first, each with Headers
	Key      string      // told the Result after the last write
}

// Result is what the writes of a Spec came to.
type Result struct {
	Wrote int64
	Err   string
}

// URL is where to ask for s.
func (s Spec) URL() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return "/respond?spec=" + url.QueryEscape(string(b))
}

// serveRespond answers as the Spec in ?spec= says.
func serveRespond(w http.ResponseWriter, r *http.Request) {
	var s Spec
	if err := json.Unmarshal([]byte(r.URL.Query().Get("spec")), &s); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, h := range s.Headers {
		w.Header()[h[0]] = append(w.Header()[h[0]], h[1])
	}
	for _, status := range s.Infos {
		w.WriteHeader(status)
	}
	if s.Status != 0 {
		w.WriteHeader(s.Status)
	}
	var result Result
	note := func(n int64, err error) {
		result.Wrote += n
		if err != nil && result.Err == "" {
			result.Err = err.Error()
		}
	}
	for _, piece := range s.Pieces {
		n, err := io.WriteString(w, piece)
		note(int64(n), err)
		if s.Flush {
			note(0, http.NewResponseController(w).Flush())
		}
	}
	if s.Size > 0 {
		note(io.Copy(struct{ io.Writer }{w}, Pattern("", s.Size)))
	}
	for _, h := range s.Trailers {
		w.Header()[h[0]] = append(w.Header()[h[0]], h[1])
	}
	if s.Key != "" {
		b, _ := json.Marshal(result)
		tell(s.Key, string(b))
	}
}

// serveUnread answers without a look at the body, ?n= bytes, and leaves the
// body to whoever has to get rid of it.
func serveUnread(w http.ResponseWriter, r *http.Request) {
	if status := number(r, "status"); status != 0 {
		w.WriteHeader(int(status))
	}
	io.WriteString(w, "not read, of "+strconv.FormatInt(r.ContentLength, 10))
}
