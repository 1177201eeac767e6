// The download: a file of any size that is made while it is read.

package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	defaultDownload = 1 << 20
	maxDownload     = 4 << 30
	lineLen         = 64
)

// lines is a text file whose every 64-byte line says its own number, so that a
// part of it shows where it is from.
type lines struct{}

func (lines) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		line := fmt.Appendf(nil, "line %012d %045d\n", at/lineLen+1, 0)
		n += copy(p[n:], line[at%lineLen:])
	}
	return n, nil
}

func download(w http.ResponseWriter, r *http.Request) {
	size := int64(defaultDownload)
	if s := r.FormValue("bytes"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > maxDownload {
			http.Error(w, fmt.Sprintf("bytes is a number from 0 to %d", int64(maxDownload)), http.StatusBadRequest)
			return
		}
		size = n
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="pillion-lines.txt"`)
	w.Header().Set("ETag", fmt.Sprintf(`"lines-%d"`, size))
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(lines{}, 0, size))
}
