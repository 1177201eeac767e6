// Responses from files inside nginx.

package test

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// file makes one of size bytes of a pattern and returns its path.
func file(t *testing.T, seed string, size int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(tempDir(t, "file"), seed))
	require.NoError(t, err)
	defer f.Close()
	_, err = io.Copy(f, behave.Pattern(seed, size))
	require.NoError(t, err)
	return f.Name()
}

// sendfileCounter is preloaded: it adds what sendfile() sends to a number in a
// file.
const sendfileCounter = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t *sum;

__attribute__((constructor)) static void start(void)
{
    int   fd = open(getenv("SENDFILE_SUM"), O_RDWR);
    void *p = fd == -1 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    sum = p == MAP_FAILED ? NULL : p;
}

ssize_t sendfile64(int out, int in, off_t *offset, size_t n)
{
    ssize_t sent = syscall(SYS_sendfile, out, in, offset, n);

    if (sent > 0 && sum != NULL) {
        __atomic_fetch_add(sum, sent, __ATOMIC_RELAXED);
    }
    return sent;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t n)
{
    return sendfile64(out, in, offset, n);
}
`

// countSendfile counts in the servers that the test starts from now on, and
// returns what says how much has been sent so.
func countSendfile(t *testing.T) func() uint64 {
	t.Helper()
	if sanitizing() {
		missing(t, "a place in front of all libraries: the sanitizer needs it")
	}
	sum := filepath.Join(tempDir(t, "sum"), "sum")
	require.NoError(t, os.WriteFile(sum, make([]byte, 8), 0o666))
	nginxBuild(t) // before what is preloaded
	apacheBuild(t)
	library(t, "one")
	t.Setenv("LD_PRELOAD", plugin(t, "sendfile", sendfileCounter))
	t.Setenv("SENDFILE_SUM", sum)
	return func() uint64 {
		b, err := os.ReadFile(sum)
		require.NoError(t, err)
		return binary.LittleEndian.Uint64(b)
	}
}

func TestNginx_FilesGoOutBySendfile(t *testing.T) {
	const size = 3 << 20
	sent := countSendfile(t)
	n := conf{server: everything + `
		location /on/ { sendfile on; pillion_pass behave; pillion_script_name /on; }
		location /off/ { sendfile off; pillion_pass behave; pillion_script_name /off; }`}.start(t)
	returnsToBaseline(t, n.server)
	path := file(t, "s", size)
	for _, c := range []struct {
		request string
		want    uint64
	}{
		{"/off/content", 0}, {"/on/content", size}, {"/on/file", size},
	} {
		before := sent()
		a := n.whole(t, c.request+"?path="+url.QueryEscape(path))
		assert.Equal(t, behave.PatternHash("s", size), hash(a.body), c.request)
		eventually(t, "all is counted", func() bool { return sent()-before >= c.want })
		assert.Equal(t, c.want, sent()-before, c.request)
	}
	before := sent()
	a := n.whole(t, "/on/content?path="+url.QueryEscape(path), "Range", "bytes=100000-1099999")
	assert.Equal(t, http.StatusPartialContent, a.StatusCode)
	assert.EqualValues(t, 1000000, len(a.body))
	eventually(t, "a range is counted", func() bool { return sent()-before >= 1000000 })
	assert.EqualValues(t, 1000000, sent()-before, "a range")
}

// fileSettings are ways in which nginx sends a file.
var fileSettings = []struct{ name, location string }{
	{"sendfile", "sendfile on;"},
	{"sendfile_nopush", "sendfile on; tcp_nopush on;"},
	{"sendfile_max_chunk", "sendfile on; sendfile_max_chunk 100k;"},
	{"read", "sendfile off; output_buffers 2 10k;"},
	{"threads_read", "sendfile off; aio threads;"},
	{"threads_sendfile", "sendfile on; aio threads;"},
	{"directio", "sendfile on; directio 4k;"},
	{"limit_rate", "sendfile on; limit_rate 20m;"},
	{"sub_filter", "sendfile on; sub_filter_types *; sub_filter 'no such text' 'x';"},
	{"small_credit", "sendfile on; pillion_buffer_size 1k;"},
}

func TestNginx_FilesInEveryWayOfSending(t *testing.T) {
	const size = 2<<20 + 12345
	path := file(t, "w", size)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(b)
	locations := everything
	for _, s := range fileSettings {
		locations += fmt.Sprintf("\nlocation /%s/ { %s pillion_pass behave; pillion_script_name /%[1]s; }", s.name, s.location)
	}
	hosts := map[string]func(t *testing.T) *server{
		"http1": func(t *testing.T) *server { return conf{server: locations}.start(t).server },
		"tls":   func(t *testing.T) *server { return newAuthority(t).start(t, conf{server: locations}).server },
		"http2": func(t *testing.T) *server {
			s := conf{server: locations, listen: "http2"}.start(t).server
			useProtocol(s, "http2")
			return s
		},
	}
	for name, start := range hosts {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			returnsToBaseline(t, s)
			for _, setting := range fileSettings {
				t.Run(setting.name, func(t *testing.T) {
					query := "?path=" + url.QueryEscape(path)
					a := s.whole(t, "/"+setting.name+"/content"+query)
					assert.Equal(t, hash(text), hash(a.body))
					if setting.name != "sub_filter" { // which changes lengths
						assert.Equal(t, strconv.Itoa(size), a.Header.Get("Content-Length"))
					}

					a = s.whole(t, "/"+setting.name+"/content"+query, "Range", "bytes=50000-1999999")
					assert.Equal(t, hash(text[50000:2000000]), hash(a.body))
					a = s.whole(t, "/"+setting.name+"/content"+query, "Range", "bytes=0-99999,1000000-1500000")
					assert.Contains(t, a.body, text[:100000])
					assert.Contains(t, a.body, text[1000000:1500001])

					// Of no known length, after bytes from memory.
					a = s.whole(t, "/"+setting.name+"/file"+query+"&first=1000&offset=7")
					assert.Equal(t, hash(strings.Repeat("\x00", 1000)+text[7:]), hash(a.body))

					a = s.do(t, "HEAD", "/"+setting.name+"/content"+query, nil)
					assert.NoError(t, a.err)
					assert.Empty(t, a.body)
				})
			}
		})
	}
}

func TestNginx_FilesThroughFiltersAndSubrequests(t *testing.T) {
	const size = 300000
	path := file(t, "f", size)
	query := "?path=" + url.QueryEscape(path)
	n := conf{server: everything + `
		location /gzip/ { sendfile on; gzip on; gzip_types *; pillion_pass behave; pillion_script_name /gzip; }
		location = /page { ssi on; sendfile on; default_type text/html; return 200 'a<!--# include virtual="/file` + query + `" -->b<!--# include virtual="/content` + query + `" -->c'; }
		location /proxied/ { proxy_pass http://127.0.0.1:@port@/; proxy_force_ranges on; }`}.start(t)
	returnsToBaseline(t, n.server)

	a := n.whole(t, "/gzip/content"+query, "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
	z, err := gzip.NewReader(strings.NewReader(a.body))
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	assert.Equal(t, behave.PatternHash("f", size), hash(string(b)))

	a = n.whole(t, "/proxied/content"+query, "Range", "bytes=100-200099")
	assert.Equal(t, 200000, len(a.body))
	a = n.whole(t, "/proxied/file"+query+"&length="+strconv.Itoa(size), "Range", "bytes=100-200099")
	assert.Equal(t, 200000, len(a.body), "a range that nginx cuts out")

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, hash("a"+string(text)+"b"+string(text)+"c"), hash(n.whole(t, "/page").body), "in subrequests")
}

// truncated asks for a file that is cut while it is sent, and returns how that
// ended for the client.
func truncated(t *testing.T, s *server, query, proto string) error {
	t.Helper()
	const size = 64 << 20
	path := file(t, "t", size)
	key := newKey()
	query = "?key=" + key + "&path=" + url.QueryEscape(path) + query
	if proto == "HTTP/1.0" {
		w := s.wire(t, "GET /file"+query+" HTTP/1.0\n\n")
		_, err := io.ReadFull(w.r, make([]byte, 100000))
		require.NoError(t, err)
		require.NoError(t, os.Truncate(path, 100000))
		_, err = w.rest()
		return err
	}
	res, err := s.client.Get(s.base + "/file" + query)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadFull(res.Body, make([]byte, 100000))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 100000))
	_, err = io.Copy(io.Discard, res.Body)
	assert.Contains(t, s.await(t, key+"/end"), "Err")
	return err
}

func TestNginx_TruncatedFileIsACut(t *testing.T) {
	for _, sending := range []string{"sendfile on;", "sendfile off;"} {
		for _, c := range []struct{ name, listen, query string }{
			{"HTTP/1.1", "", "&length=67108864"}, {"HTTP/1.1", "", ""}, {"HTTP/1.0", "", ""}, {"HTTP/2", "http2", "&length=67108864"},
		} {
			t.Run(sending+c.name+c.query, func(t *testing.T) {
				n := conf{http: sending, listen: c.listen}.start(t)
				if c.listen != "" {
					useProtocol(n.server, "http2")
				}
				returnsToBaseline(t, n.server)
				assert.Error(t, truncated(t, n.server, c.query, c.name))
			})
		}
	}
}

func TestNginx_ClientLeavingInAFileReleasesIt(t *testing.T) {
	plainAndTLS(t, conf{http: "sendfile on;"}, func(t *testing.T, n *nginx) {
		returnsToBaseline(t, n.server)
		path := file(t, "l", 64<<20)
		open := func() string { return n.whole(t, "/open-files?path="+url.QueryEscape(path)).body }
		for range 5 {
			key := newKey()
			w := n.wire(t, "GET /file?key="+key+"&path="+url.QueryEscape(path)+" HTTP/1.1\nHost: h\n\n")
			_, err := io.ReadFull(w.r, make([]byte, 100000))
			require.NoError(t, err)
			assert.NotEqual(t, "0", open())
			w.Close()
			n.await(t, key+"/end")
		}
		eventually(t, "no descriptor of the file", func() bool { return open() == "0" })
	})
}

func TestNginx_SlowClientOfAFileIsNoSlowApplication(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	path := file(t, "slow", size)
	n := conf{server: everything + `
		location /sent/ { pillion_read_timeout 1s; sendfile on; pillion_pass behave; pillion_script_name /sent; }
		location /threads/ { pillion_read_timeout 1s; sendfile off; aio threads; pillion_pass behave; pillion_script_name /threads; }
		location /rate/ { pillion_read_timeout 1s; sendfile on; limit_rate 10m; pillion_pass behave; pillion_script_name /rate; }`}.start(t)
	returnsToBaseline(t, n.server)
	for _, how := range []string{"sent", "threads", "rate"} {
		w := n.slowWire(t, "GET /"+how+"/content?path="+url.QueryEscape(path)+" HTTP/1.1\nHost: h\n\n")
		res := w.response("GET")
		var body strings.Builder
		for range 5 {
			time.Sleep(300 * time.Millisecond) // slower than the timeout, in sum
			_, err := io.CopyN(&body, res.Body, 100_000)
			require.NoError(t, err, how)
		}
		w.widen()
		_, err := io.Copy(&body, res.Body)
		require.NoError(t, err, how)
		assert.Equal(t, behave.PatternHash("slow", size), hash(body.String()), how)
	}
}
