// The demo over plain net/http; what it does inside servers is tested in test/.

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func serve(t *testing.T) *httptest.Server {
	s := httptest.NewServer(newDemo())
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	r, err := http.NewRequest(method, url, body)
	require.NoError(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(all)
}

func TestPage_IsHTMLWithItsAssets(t *testing.T) {
	s := serve(t)
	answer, body := send(t, "GET", s.URL+"/", nil)
	assert.Equal(t, 200, answer.StatusCode)
	assert.Equal(t, "text/html; charset=utf-8", answer.Header.Get("Content-Type"))
	assert.Contains(t, body, `<base href="/">`)
	for name, kind := range map[string]string{"style.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		assert.Contains(t, body, `"assets/`+name+`"`)
		answer, _ = send(t, "GET", s.URL+"/assets/"+name, nil)
		assert.Equal(t, 200, answer.StatusCode, name)
		assert.True(t, strings.HasPrefix(answer.Header.Get("Content-Type"), kind), name)
	}
}

func TestNotes_AddListDelete(t *testing.T) {
	s := serve(t)
	_, body := send(t, "GET", s.URL+"/api/notes", nil)
	assert.Equal(t, "[]\n", body)

	answer, _ := send(t, "POST", s.URL+"/api/notes", strings.NewReader(`{"text":" <b>hi</b> "}`))
	assert.Equal(t, 201, answer.StatusCode)
	assert.Equal(t, "/api/notes/1", answer.Header.Get("Location"))

	_, body = send(t, "GET", s.URL+"/", nil)
	assert.Contains(t, body, "&lt;b&gt;hi&lt;/b&gt;")

	answer, body = send(t, "DELETE", s.URL+"/api/notes/1", nil)
	assert.Equal(t, 204, answer.StatusCode)
	assert.Empty(t, body)
	answer, body = send(t, "DELETE", s.URL+"/api/notes/1", nil)
	assert.Equal(t, 404, answer.StatusCode)
	assert.JSONEq(t, `{"error":"no such note"}`, body)
}

func TestNotes_AreBounded(t *testing.T) {
	var n notes
	for range maxNotes + 5 {
		_, err := n.add("x")
		require.NoError(t, err)
	}
	assert.Len(t, n.all(), maxNotes)
	assert.Equal(t, maxNotes+5, n.all()[0].ID)
	for _, bad := range []string{"", "  ", strings.Repeat("é", maxNote+1)} {
		_, err := n.add(bad)
		assert.ErrorIs(t, err, errNote)
	}
}

func TestNotes_BadInputIsRefused(t *testing.T) {
	s := serve(t)
	for body, status := range map[string]int{
		"":                                      400,
		`{"text":`:                              400,
		`{"text":""}`:                           422,
		`{"text":"` + strings.Repeat("x", 5000): 400,
	} {
		answer, _ := send(t, "POST", s.URL+"/api/notes", strings.NewReader(body))
		assert.Equal(t, status, answer.StatusCode, "%.20s", body)
	}
}

func TestNotes_FormsWorkWithoutScript(t *testing.T) {
	s := serve(t)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	answer, _ := send(t, "POST", s.URL+"/notes", strings.NewReader("text=one+two"), form...)
	assert.Equal(t, 303, answer.StatusCode)
	assert.Equal(t, "/#notes", answer.Header.Get("Location"))
	_, body := send(t, "GET", s.URL+"/api/notes", nil)
	assert.Contains(t, body, "one two")
	send(t, "POST", s.URL+"/notes/1/delete", nil)
	_, body = send(t, "GET", s.URL+"/api/notes", nil)
	assert.Equal(t, "[]\n", body)
}

func TestNotes_OtherSitesAreRefused(t *testing.T) {
	answer, _ := send(t, "POST", serve(t).URL+"/notes", strings.NewReader("text=x"), "Sec-Fetch-Site", "cross-site")
	assert.Equal(t, 403, answer.StatusCode)
}

func TestClock_FlushesEachEventAndEndsWithItsContext(t *testing.T) {
	ended := make(chan struct{})
	d := newDemo()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		d.ServeHTTP(w, r)
	}))
	defer s.Close()
	ctx, leave := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/clock", nil)
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	line, err := bufio.NewReader(answer.Body).ReadString('\n')
	require.NoError(t, err)
	var tick struct{ Time string }
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &tick))
	assert.Regexp(t, `^\d\d:\d\d:\d\d$`, tick.Time)
	leave()
	<-ended
}

func TestDownload_Ranges(t *testing.T) {
	s := serve(t)
	answer, body := send(t, "GET", s.URL+"/download?bytes=1000", nil)
	assert.Equal(t, int64(1000), answer.ContentLength)
	assert.Contains(t, answer.Header.Get("Content-Disposition"), "attachment")
	assert.Len(t, body, 1000)

	answer, part := send(t, "GET", s.URL+"/download?bytes=1000", nil, "Range", "bytes=100-299")
	assert.Equal(t, 206, answer.StatusCode)
	assert.Equal(t, body[100:300], part)

	answer, _ = send(t, "GET", s.URL+"/download?bytes=1000", nil, "Range", "bytes=2000-")
	assert.Equal(t, 416, answer.StatusCode)
	for _, bad := range []string{"-1", "x", "99999999999999"} {
		answer, _ = send(t, "GET", s.URL+"/download?bytes="+bad, nil)
		assert.Equal(t, 400, answer.StatusCode, bad)
	}
}

func TestUpload_RawAndForm(t *testing.T) {
	s := serve(t)
	file := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sum := sha256.Sum256(file)

	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	require.NoError(t, parts.WriteField("other", "field"))
	part, err := parts.CreateFormFile("file", "a.bin")
	require.NoError(t, err)
	part.Write(file)
	require.NoError(t, parts.Close())

	for name, answer := range map[string]func() (*http.Response, string){
		"": func() (*http.Response, string) { return send(t, "PUT", s.URL+"/upload", bytes.NewReader(file)) },
		"a.bin": func() (*http.Response, string) {
			return send(t, "POST", s.URL+"/upload", &form, "Content-Type", parts.FormDataContentType())
		},
	} {
		r, body := answer()
		assert.Equal(t, 200, r.StatusCode)
		var got uploaded
		require.NoError(t, json.Unmarshal([]byte(body), &got))
		assert.Equal(t, name, got.Name)
		assert.Equal(t, int64(len(file)), got.Bytes)
		assert.Equal(t, hex.EncodeToString(sum[:]), got.SHA256)
	}
}

func TestUpload_FormWithoutFileIsRefused(t *testing.T) {
	body := "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b--\r\n"
	answer, text := send(t, "POST", serve(t).URL+"/upload", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=b")
	assert.Equal(t, 400, answer.StatusCode)
	assert.JSONEq(t, `{"error":"the form has no file"}`, text)
}

func TestUpload_IsAPageForABrowser(t *testing.T) {
	_, body := send(t, "PUT", serve(t).URL+"/upload", strings.NewReader("abc"), "Accept", "text/html")
	assert.Contains(t, body, fmt.Sprintf("%x", sha256.Sum256([]byte("abc"))))
	assert.Contains(t, body, "<html")
}

func TestEnviron_TextAndPage(t *testing.T) {
	s := serve(t)
	_, body := send(t, "GET", s.URL+"/debug/environ?q=1", nil, "X-Seen", "yes")
	assert.Regexp(t, `request line +GET /debug/environ\?q=1 HTTP/1.1`, body)
	assert.Regexp(t, `X-Seen +yes`, body)
	_, body = send(t, "GET", s.URL+"/debug/environ", nil, "Accept", "text/html", "X-Seen", "<script>")
	assert.Contains(t, body, "<td>&lt;script&gt;</td>")
}

func TestHello(t *testing.T) {
	for target, want := range map[string]string{"/": "Hello, world!\n", "/?name=you": "Hello, you!\n"} {
		w := httptest.NewRecorder()
		hello(w, httptest.NewRequest("GET", target, nil))
		assert.Equal(t, want, w.Body.String())
	}
}
