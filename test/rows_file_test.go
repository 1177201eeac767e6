package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// patternFile makes a file of Pattern(seed, n) that servers can read.
func patternFile(t *testing.T, seed string, n int64) string {
	t.Helper()
	path := filepath.Join(tempDir(t, "files"), "file.bin")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer f.Close()
	_, err = io.Copy(f, behave.Pattern(seed, n))
	require.NoError(t, err)
	t.Cleanup(func() { os.Remove(path) })
	return path
}

// patternPart is a stretch of Pattern.
func patternPart(seed string, offset, n int64) string {
	b, _ := io.ReadAll(behave.Pattern(seed, offset+n))
	return string(b[offset:])
}

// copied waits for what the application says of its copying.
func (s *server) copied(t *testing.T, key string) (sent behave.Sent) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(s.await(t, key+"/end")), &sent))
	return sent
}

// awaitOpenFiles waits until the server has as many descriptors of a file.
func (s *server) awaitOpenFiles(t *testing.T, path string, want string) {
	t.Helper()
	eventually(t, want+" descriptors of the file", func() bool {
		return s.whole(t, "/open-files?path="+url.QueryEscape(path)).body == want
	})
}

var fileRows = []row{
	{"file_arrives_whole", func(t *testing.T, s *server) {
		for _, size := range append(sizes, []struct {
			name string
			n    int64
		}{{"32 KiB", 32 << 10}, {"32 KiB and 1 B", 32<<10 + 1}, {"65537 B", 65537}}...) {
			path := patternFile(t, "file", size.n)
			for _, target := range []string{"/content?path=", "/file?type=a/b&path=", "/file?first=0&path="} {
				a := s.pattern(t, target+path, "file", size.n)
				if target == "/content?path=" {
					assert.Equal(t, size.n, a.ContentLength, size.name)
				}
			}
			s.awaitOpenFiles(t, path, "0")
		}
	}},
	{"file_ranges", func(t *testing.T, s *server) {
		path := patternFile(t, "range", 1<<20)
		for _, c := range []struct {
			value     string
			offset, n int64
		}{
			{"bytes=0-", 0, 1 << 20}, {"bytes=100-99999", 100, 99900}, {"bytes=1000000-", 1000000, 48576},
			{"bytes=-70000", 1<<20 - 70000, 70000}, {"bytes=5-9", 5, 5},
		} {
			a := s.whole(t, "/content?path="+path, "Range", c.value)
			assert.Equal(t, 206, a.StatusCode, c.value)
			assert.Equal(t, c.n, a.ContentLength, c.value)
			assert.True(t, patternPart("range", c.offset, c.n) == a.body, c.value)
			assert.Equal(t, fmt.Sprintf("bytes %d-%d/%d", c.offset, c.offset+c.n-1, 1<<20), a.Header.Get("Content-Range"))
		}
		assert.Equal(t, 416, s.get(t, "/content?path="+path, "Range", "bytes=2000000-").StatusCode)
	}},
	{"file_in_part_leaves_its_position_there", func(t *testing.T, s *server) {
		path := patternFile(t, "part", 1<<20)
		for _, c := range []struct {
			query     string
			first     int
			offset, n int64
			err       string
		}{
			{"offset=100&n=200000", 0, 100, 200000, ""},
			{"offset=100&n=200000&first=10", 10, 100, 200000, ""},
			{"offset=1000&first=100000", 100000, 1000, 1<<20 - 1000, ""},
			{"offset=1000&n=2000000", 0, 1000, 1<<20 - 1000, "EOF"},
			{"offset=2000000", 0, 2000000, 0, ""},
		} {
			key := newKey()
			a := s.whole(t, "/file?key="+key+"&path="+path+"&"+c.query)
			want := behave.Sent{N: c.n, At: c.offset + c.n, Err: c.err}
			assert.Equal(t, want, s.copied(t, key), c.query)
			if assert.Len(t, a.body, c.first+int(c.n), c.query) && c.n > 0 {
				assert.True(t, patternPart("part", c.offset, c.n) == a.body[c.first:], c.query)
			}
		}
	}},
	{"file_longer_than_declared_is_cut_there", func(t *testing.T, s *server) {
		path, key := patternFile(t, "long", 1<<20), newKey()
		a := s.whole(t, "/file?length=500000&key="+key+"&path="+path)
		assert.Equal(t, behave.PatternHash("long", 500000), hash(a.body))
		sent := s.copied(t, key)
		assert.EqualValues(t, 500000, sent.N)
		assert.Equal(t, "http: wrote more than the declared Content-Length", sent.Err)
	}},
	{"file_shorter_than_declared_breaks_off", func(t *testing.T, s *server) {
		path := patternFile(t, "short", 500000)
		a := s.get(t, "/file?length=600000&path="+path)
		assert.Error(t, a.err)
		assert.Less(t, len(a.body), 600000)
	}},
	{"file_has_no_body_for_HEAD", func(t *testing.T, s *server) {
		path := patternFile(t, "head", 1<<20)
		a := s.do(t, "HEAD", "/content?path="+path, nil)
		require.NoError(t, a.err)
		assert.Equal(t, int64(1<<20), a.ContentLength)
		assert.Empty(t, a.body)
		assert.Len(t, s.whole(t, "/content?path="+path).body, 1<<20, "the next response")
	}},
	{"file_may_be_removed_while_it_is_sent", func(t *testing.T, s *server) {
		path, key := patternFile(t, "removed", 4<<20), newKey()
		a := s.whole(t, "/file?remove=1&key="+key+"&path="+path)
		assert.Equal(t, behave.PatternHash("removed", 4<<20), hash(a.body))
		assert.Equal(t, behave.Sent{N: 4 << 20, At: 4 << 20}, s.copied(t, key))
	}},
	{"growing_file_is_sent_as_it_grows", func(t *testing.T, s *server) {
		path, key := patternFile(t, "grow", 0), newKey()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		defer f.Close()
		src := behave.Pattern("grow", 300001)
		piece := func(i int) {
			_, err := io.CopyN(f, src, []int64{200000, 100000, 1}[i])
			require.NoError(t, err)
			s.tell(t, fmt.Sprintf("%s/%d", key, i))
		}
		piece(0)
		w := s.wire(t, "GET /growing?n=3&key="+key+"&path="+path+" HTTP/1.1\nHost: h\n\n")
		res := w.response("GET")
		got := make([]byte, 300001)
		_, err = io.ReadFull(res.Body, got[:200000])
		require.NoError(t, err)
		piece(1)
		_, err = io.ReadFull(res.Body, got[200000:300000])
		require.NoError(t, err)
		piece(2)
		rest, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Len(t, rest, 1)
		got[300000] = rest[0]
		assert.Equal(t, behave.PatternHash("grow", 300001), hash(string(got)))
	}},
	{"file_that_shrinks_while_it_is_sent_is_a_cut", func(t *testing.T, s *server) {
		path, key := patternFile(t, "shrink", 64<<20), newKey()
		w := s.wire(t, "GET /file?length=67108864&key="+key+"&path="+path+" HTTP/1.1\nHost: h\n\n")
		res := w.response("GET")
		_, err := io.ReadFull(res.Body, make([]byte, 100000))
		require.NoError(t, err)
		require.NoError(t, os.Truncate(path, 1000))
		n, err := io.Copy(io.Discard, res.Body)
		assert.Error(t, err)
		assert.Less(t, n, int64(64<<20))
		assert.Less(t, s.copied(t, key).N, int64(64<<20))
		s.awaitOpenFiles(t, path, "0")
	}},
	{"client_leaving_in_a_file_is_an_error", func(t *testing.T, s *server) {
		path, key := patternFile(t, "leave", 64<<20), newKey()
		w := s.wire(t, "GET /file?key="+key+"&path="+path+" HTTP/1.1\nHost: h\n\n")
		res := w.response("GET")
		_, err := io.ReadFull(res.Body, make([]byte, 100000))
		require.NoError(t, err)
		w.Close()
		sent := s.copied(t, key)
		assert.NotEmpty(t, sent.Err)
		assert.Less(t, sent.N, int64(64<<20))
		assert.LessOrEqual(t, sent.N, sent.At)
		s.awaitOpenFiles(t, path, "0")
	}},
	{"write_deadline_ends_the_sending_of_a_file", func(t *testing.T, s *server) {
		path, key := patternFile(t, "late", 64<<20), newKey()
		w := s.wire(t, "GET /file?deadline=1000&length=67108864&key="+key+"&path="+path+" HTTP/1.1\nHost: h\n\n")
		res := w.response("GET")
		sent := s.copied(t, key) // nothing is read before
		assert.Contains(t, sent.Err, "i/o timeout")
		assert.Less(t, sent.N, int64(64<<20))
		assert.LessOrEqual(t, sent.N, sent.At)
		_, err := io.Copy(io.Discard, res.Body)
		assert.Error(t, err, "it must not look whole")
	}},
	{"file_that_was_sent_is_closed_though_the_handler_goes_on", func(t *testing.T, s *server) {
		path, key := patternFile(t, "stay", 1<<20), newKey()
		done := make(chan answer, 1)
		go func() {
			a, _ := s.try("GET", "/file?stay=1&key="+key+"&path="+path, nil)
			done <- a
		}()
		assert.Equal(t, behave.Sent{N: 1 << 20, At: 1 << 20}, s.copied(t, key))
		s.awaitOpenFiles(t, path, "1") // the handler's own
		s.tell(t, key+"/go")
		select {
		case a := <-done:
			assert.Equal(t, behave.PatternHash("stay", 1<<20), hash(a.body))
		case <-time.After(patience):
			require.Fail(t, "no answer")
		}
		s.awaitOpenFiles(t, path, "0")
	}},
	{"http10_file_ends_with_the_connection", func(t *testing.T, s *server) {
		path := patternFile(t, "http10", 1<<20)
		w := s.wire(t, "GET /file?path="+path+" HTTP/1.0\n\n")
		a := w.answer("GET")
		require.NoError(t, a.err)
		assert.Equal(t, behave.PatternHash("http10", 1<<20), hash(a.body))
	}},
}

var trailerRows = []row{
	{"request_trailers_arrive_with_the_end_of_the_body", func(t *testing.T, s *server) {
		w := s.wire(t, "POST /trailers HTTP/1.1\nHost: h\nConnection: close\nTransfer-Encoding: chunked\nTrailer: x-a\n\n"+
			"3\nabc\n0\nX-A: one\nx-b:  two \nX-A: three\n\n")
		a := w.answer("POST")
		require.NoError(t, a.err)
		assert.Equal(t, "X-A0 3 <nil>\nX-A: one\nX-A: three\nX-B: two\n", strings.ReplaceAll(a.body, "\r\n", "\n"))
	}},
	{"request_without_trailers_has_none", func(t *testing.T, s *server) {
		a := s.do(t, "POST", "/trailers", strings.NewReader("abc"))
		require.NoError(t, a.err)
		assert.Equal(t, " 3 <nil>\n", a.body)
	}},
}
