// The head of a response: from the handler's header map to checked pairs.

package host

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// head is what a handler's header map held when WriteHeader was called.
type head struct {
	pairs []Pair
	own   int // how many of them the map gave

	length      int64 // declared, -1 if it is not, or not valid
	coding      string
	hasLength   bool // the map has the key, whatever its value
	hasType     bool // so here
	hasEncoding bool
	trailers    bool
	close       bool
}

// bodyAllowed reports whether a response of that status may have a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// snapshot reads the header map for a response head of that status.
func (w *response) snapshot(status int) {
	s := w.work()
	h := &s.head
	*h = head{pairs: s.pairs[:0], length: -1}
	if values, ok := w.header["Content-Type"]; ok && len(w.header) == 1 {
		w.readField(status, "Content-Type", values) // the most usual, without a walk
	} else {
		for name, values := range w.header {
			w.readField(status, name, values)
		}
		sortPairs(h.pairs)
	}
	h.own = len(h.pairs)
}

// readField adds a header to the snapshot.
func (w *response) readField(status int, name string, values []string) {
	h := &w.work().head
	informational := status < 200
	switch name {
	case "Content-Length":
		h.hasLength = true
		if len(values) > 0 && values[0] != "" && !informational {
			h.length = w.declaredLength(values[0])
		}
		return
	case "Content-Type":
		h.hasType = true
		if status != http.StatusNotModified {
			h.pairs = w.appendValues(h.pairs, name, values)
		}
		return
	case "Content-Encoding":
		h.hasEncoding = len(values) > 0 && values[0] != ""
	case "Transfer-Encoding":
		if len(values) > 0 {
			h.coding = values[0]
		}
	case "Connection":
		h.close = hasToken(values, "close")
	case "Trailer":
		if informational {
			return
		}
		h.trailers = true
		for _, list := range values {
			elements(list, w.declareTrailer)
		}
	}
	switch {
	case strings.HasPrefix(name, http.TrailerPrefix):
		h.trailers = h.trailers || !informational
	case !hopByHop(name):
		h.pairs = w.appendField(h.pairs, name, values)
	}
}

// sortPairs orders by name; values of one name keep their order.
func sortPairs(pairs []Pair) {
	if len(pairs) < 2 {
		return
	}
	slices.SortStableFunc(pairs, func(a, b Pair) int { return cmp.Compare(a.Name, b.Name) })
}

func (w *response) declaredLength(value string) int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		w.s.log(slog.LevelError, "PILLION-1009: Content-Length not sent: "+strconv.Quote(value)+" is not a length")
		delete(w.header, "Content-Length")
		return -1
	}
	return n
}

func (w *response) declareTrailer(name string) {
	if name = http.CanonicalHeaderKey(name); validTrailer(name) {
		w.trailers = append(w.trailers, name)
	}
}

// appendField appends the values of a header that may be sent. What may not is
// logged.
func (w *response) appendField(pairs []Pair, name string, values []string) []Pair {
	if len(values) == 0 {
		return pairs
	}
	if !validToken(name) || len(name) == len("Content-Length") && strings.EqualFold(name, "Content-Length") {
		w.s.log(slog.LevelError, "PILLION-1011: header "+strconv.Quote(name)+" not sent: its name is not valid")
		return pairs
	}
	return w.appendValues(pairs, name, values)
}

// appendValues is appendField for a name that may be sent.
func (w *response) appendValues(pairs []Pair, name string, values []string) []Pair {
	for _, v := range values {
		if v = trim(v); !validValue(v) {
			v = trim(onOneLine(v))
		}
		if !validValue(v) {
			w.s.log(slog.LevelError, "PILLION-1012: header "+strconv.Quote(name)+" not sent: its value holds a control character")
			continue
		}
		pairs = append(pairs, Pair{name, v})
	}
	return pairs
}

var lineEnds = strings.NewReplacer("\r", " ", "\n", " ")

// onOneLine is a header value with spaces in place of its line ends, as net/http
// sends it.
func onOneLine(v string) string {
	if strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
		return v
	}
	return lineEnds.Replace(v)
}

// complete adds to the snapshot what the first bytes of the body and the end
// of the handler allow to tell. body is the whole body if done.
func (w *response) complete(body []byte, done bool) {
	h := &w.work().head
	allowed := bodyAllowed(w.status)
	if h.length >= 0 && h.coding != "" && h.coding != "identity" {
		w.s.log(slog.LevelError, "PILLION-1010: Content-Length not sent: there is a Transfer-Encoding, "+strconv.Quote(h.coding))
		h.length = -1
	}
	if done && !h.trailers && h.coding == "" && allowed && !h.hasLength && (!w.isHead || len(body) > 0) {
		h.length = int64(len(body))
	}
	if h.length >= 0 && allowed {
		h.pairs = append(h.pairs, Pair{"Content-Length", decimal(h.length)})
	}
	if allowed && !h.hasType && !h.hasEncoding && h.coding == "" && len(body) > 0 {
		h.pairs = append(h.pairs, Pair{"Content-Type", http.DetectContentType(body)})
	}
	if h.close {
		h.pairs = append(h.pairs, Pair{"Connection", "close"})
	}
}

// finalTrailers returns the trailers the handler has left in the map.
func (w *response) finalTrailers() []Pair {
	var pairs []Pair
	for _, name := range w.trailers {
		pairs = w.appendField(pairs, name, w.header[name])
	}
	if !w.sameNames() {
		for name, values := range w.header {
			if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
				if !validTrailer(http.CanonicalHeaderKey(name)) {
					w.s.log(slog.LevelError, "PILLION-1013: trailer "+strconv.Quote(name)+" not sent: it may not be one")
					continue
				}
				pairs = w.appendField(pairs, name, values)
			}
		}
	}
	sortPairs(pairs)
	return pairs
}

// sameNames reports whether the header map holds the very names that the
// snapshot found and sent, so that there is no trailer among them. To look for
// these is faster than to walk the map.
func (w *response) sameNames() bool {
	left := len(w.header)
	h := &w.work().head
	if h.hasLength {
		if _, ok := w.header["Content-Length"]; ok {
			left--
		}
	}
	own := h.pairs[:h.own]
	for i := range own {
		if i > 0 && own[i].Name == own[i-1].Name {
			continue
		}
		if _, ok := w.header[own[i].Name]; !ok {
			return false
		}
		left--
	}
	return left == 0
}

// decimals spares the allocation for the lengths of bodies that are collected
// to their end before the head goes out.
var decimals = func() (t [beforeHead + 1]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

func decimal(n int64) string {
	if n < int64(len(decimals)) {
		return decimals[n]
	}
	return strconv.FormatInt(n, 10)
}
