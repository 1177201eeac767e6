// Before anything is measured: do all answer the same bytes?

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"pillion/bench/app"
)

// want is what a body has to be.
type want struct {
	size int64
	sum  [sha256.Size]byte
}

func read(r io.Reader) (w want, err error) {
	h := sha256.New()
	w.size, err = io.Copy(h, r)
	h.Sum(w.sum[:0])
	return w, err
}

func text(s string) func() (want, error) {
	return func() (want, error) { return read(strings.NewReader(s)) }
}

func zeros(n int) func() (want, error) {
	return func() (want, error) { return read(bytes.NewReader(make([]byte, n))) }
}

func ofFile(path string) (want, error) {
	f, err := os.Open(path)
	if err != nil {
		return want{}, err
	}
	defer f.Close()
	return read(f)
}

// expectation is a request and the body of its answer.
type expectation struct {
	path   string
	upload string // path of a file to post
	body   func() (want, error)
	kind   string // Content-Type, if it matters
}

var expectHello = expectation{path: "/hello", body: text(app.Hello), kind: app.ContentType}

// verify asks t and compares.
func (e expectation) verify(ctx context.Context, t *target) error {
	wanted, err := e.body()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	method, body := "GET", io.Reader(nil)
	if e.upload != "" {
		f, err := os.Open(e.upload)
		if err != nil {
			return err
		}
		defer f.Close()
		method, body = "POST", f
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+t.address+e.path, body)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := read(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%s is answered with %s", e.path, res.Status)
	case got != wanted:
		return fmt.Errorf("%s is answered with %d bytes that are not the %d expected", e.path, got.size, wanted.size)
	}
	if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, e.kind) {
		return fmt.Errorf("%s is answered with Content-Type %q", e.path, kind)
	}
	return nil
}
