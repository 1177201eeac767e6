// Many clients at once, and handlers that do what they should not.

package test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/conform"
)

// TestConform_NobodyGetsAnothersBytes sends a random mix of requests. CONFORM_SEED
// repeats one.
func TestConform_NobodyGetsAnothersBytes(t *testing.T) {
	const clients, requests = 12, 120
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CONFORM_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	for _, g := range gateways {
		t.Run(g.name, func(t *testing.T) {
			t.Log("seed", seed)
			s := g.start(t)
			returnsToBaseline(t, s)
			before := s.runtime(t, "")
			deeds := map[string]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for client := range clients {
				random := rand.New(rand.NewPCG(seed, uint64(client)))
				wg.Go(func() {
					for i := range requests {
						deed := conform.Deeds[random.IntN(len(conform.Deeds))]
						if mixed(t, s, random, deed, fmt.Sprintf("[%s-%d-%d]", deed, client, i)) {
							mu.Lock()
							deeds[deed]++
							mu.Unlock()
						}
					}
				})
			}
			wg.Wait()
			for _, deed := range conform.Deeds {
				assert.Positive(t, deeds[deed], "no good answer of "+deed)
			}
			a := s.get(t, "/mix?do=release")
			assert.Equal(t, 200, a.StatusCode)
			assert.Equal(t, before.Pid, s.runtime(t, "").Pid, "the process lives")
		})
	}
}

// mixed sends one request and reports whether its answer is what it has to be.
func mixed(t *testing.T, s *server, random *rand.Rand, deed, token string) bool {
	n := random.IntN(3000)
	url := fmt.Sprintf("%s/mix?do=%s&n=%d&token=%s", s.base, deed, n, token)
	var body io.Reader
	method := "GET"
	if deed == "echo" || random.IntN(3) == 0 {
		method, body = "POST", strings.NewReader(strings.Repeat(token, n))
		if random.IntN(2) == 0 {
			body = struct{ io.Reader }{body} // of unknown length
		}
	}
	req, err := http.NewRequest(method, url, body)
	if !assert.NoError(t, err) {
		return false
	}
	if body != nil { // a connection that nginx has closed meanwhile is no reason to fail
		req.Header.Set("Idempotency-Key", token)
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(strings.Repeat(token, n))), nil
		}
	}
	began := time.Now()
	defer func() { assert.Less(t, time.Since(began), patience, token) }()
	res, err := s.client.Do(req)
	if err != nil {
		// The server may close a connection whose request body it does not want.
		return assert.True(t, method == "POST" && deed != "echo" && deed != "write", "%s of %d: %v", token, n, err)
	}
	defer res.Body.Close()
	var b []byte
	if deed == "hang" {
		b = make([]byte, n*len(token))
		_, err = io.ReadFull(res.Body, b) // and leaves
	} else {
		b, err = io.ReadAll(res.Body)
	}
	switch {
	case deed == "panic" && res.StatusCode == http.StatusInternalServerError, deed == "abort" && res.StatusCode == http.StatusInternalServerError:
		return assert.NotRegexp(t, `\[[a-z]+-\d+-\d+\]`, string(b))
	case !assert.Equal(t, http.StatusOK, res.StatusCode, token):
		return false
	}
	if deed == "late" {
		// What it writes between its return and the end of its response goes out,
		// as with net/http.
		n = max(n, len(b)/len(token))
	}
	want := strings.Repeat(token, n)
	if err != nil || deed == "panic" || deed == "abort" {
		return assert.True(t, deed == "panic" || deed == "abort" || method == "POST", "%s: %v", token, err) &&
			assert.True(t, strings.HasPrefix(want, string(b)), "%s: a part of what it should be", token)
	}
	return assert.True(t, want == string(b), "%s of %d: %d bytes that are not its own", token, n, len(b))
}
