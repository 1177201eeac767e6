// The upload: hashed as it arrives, raw (PUT) or as a form (POST), never held
// in memory whole.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"time"
)

type uploaded struct {
	Name    string  `json:"name,omitempty"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"`
	Seconds float64 `json:"seconds"`
	MiBPerS float64 `json:"mib_per_s"`
}

func upload(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	name, body, err := uploadBody(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	if err != nil {
		slog.WarnContext(r.Context(), "upload broke off", "bytes", n, "error", err)
		writeError(w, http.StatusBadRequest, err)
		return
	}
	took := time.Since(start).Seconds()
	u := uploaded{
		Name:    name,
		Bytes:   n,
		SHA256:  hex.EncodeToString(sum.Sum(nil)),
		Seconds: math.Round(took*1e6) / 1e6,
		MiBPerS: math.Round(float64(n) / (1 << 20) / max(took, 1e-9)),
	}
	slog.InfoContext(r.Context(), "upload", "bytes", n, "sha256", u.SHA256)
	if !wantsHTML(r) {
		writeJSON(w, http.StatusOK, u)
		return
	}
	writeFacts(w, r, "Upload", []section{{"Received", []row{
		{"name", u.Name},
		{"bytes", fmt.Sprint(u.Bytes)},
		{"sha256", u.SHA256},
		{"seconds", fmt.Sprintf("%.3f", u.Seconds)},
		{"MiB/s", fmt.Sprint(u.MiBPerS)},
	}}})
}

// uploadBody is the first file of a form, or the body as it is.
func uploadBody(r *http.Request) (name string, body io.Reader, err error) {
	form, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		return "", r.Body, nil
	}
	if err != nil {
		return "", nil, err
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return "", nil, errors.New("the form has no file")
		}
		if err != nil {
			return "", nil, err
		}
		if part.FileName() != "" {
			return part.FileName(), part, nil
		}
	}
}
