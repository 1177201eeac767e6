// The least that a call can cost.

package main

import "C"

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

var (
	text  = []byte(strings.Repeat("12 variables take about so many", 6))
	names = func() (t [101]string) {
		for i := range t {
			t[i] = fmt.Sprintf("X-Header-%d", i)
		}
		return t
	}()
	kept struct {
		request *http.Request
		text    string
		answer  http.Header
	}
)

// bench_make makes what an application may keep of a request and its response,
// with all known beforehand: nothing is looked for, checked or copied across the
// border.
//
//export bench_make
func bench_make(fields int32) {
	r := new(struct {
		request http.Request
		url     url.URL
	})
	kept.text = string(text)
	values := make([]string, fields)
	header := make(http.Header, fields)
	for i := range values {
		values[i] = kept.text
		header[names[i]] = values[i : i+1 : i+1]
	}
	r.request.URL, r.request.Header = &r.url, header
	kept.request = &r.request
	kept.answer = make(http.Header)
	kept.answer["Content-Type"] = []string{"text/plain"}
}
