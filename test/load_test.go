// Clients that keep a server busy while a test does something to it.

package test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// load is eight clients, until they are stopped. Half of them keep their connections and send a request again, as HTTP clients do, if
// the server closes one that is idle: a worker that quits does. That it has
// dropped none that it had read shows in its access log.
type load struct {
	requests, failures atomic.Int64
	first              atomic.Value // of the failures
	stop               func()       // returns when the clients have ended
}

func startLoad(t *testing.T, s *server) *load {
	l := new(load)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	l.stop = func() {
		cancel()
		clients.Wait()
	}
	t.Cleanup(l.stop)
	for i := range 8 {
		clients.Go(func() {
			c := s.once()
			defer c.client.CloseIdleConnections()
			c.client.Transport.(*http.Transport).DisableKeepAlives = i%2 == 0
			for j := 0; ctx.Err() == nil; j++ {
				token := fmt.Sprintf("t%d-%d", i, j)
				body := strings.Repeat(token, 1+j%300)
				a, err := c.try("POST", "/cross/"+token, strings.NewReader(body), "X-Token", token, "Idempotency-Key", token)
				if err == nil {
					err = a.err
				}
				if err == nil && (a.StatusCode != 200 || !strings.HasSuffix(a.body, body)) {
					err = fmt.Errorf("%s: %.100s", a.Status, a.body)
				}
				if err != nil {
					l.failures.Add(1)
					l.first.CompareAndSwap(nil, err.Error())
				}
				l.requests.Add(1)
			}
		})
	}
	return l
}

// wrkConnections is of each wrk: few, for the servers have the same processors.
const (
	wrkConnections = 4
	wrkPath        = "/facts/wrk"
)

// wrkReport is what wrk says in the end.
type wrkReport struct {
	requests                      int
	connect, read, write, timeout int // errors
	statuses                      int // that are none of 2xx and 3xx
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkErrors   = regexp.MustCompile(`(?m)^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$`)
	wrkStatuses = regexp.MustCompile(`(?m)^\s*Non-2xx or 3xx responses: (\d+)$`)
)

// startWrk has wrk ask for a small page until its report is wanted: on
// connections that it keeps, or on one for each request.
func startWrk(t *testing.T, s *server, kept bool) (stop func() wrkReport) {
	t.Helper()
	path, err := exec.LookPath("wrk")
	if err != nil {
		missing(t, "wrk")
	}
	args := []string{"-t", "1", "-c", strconv.Itoa(wrkConnections), "-d", "1h", "--timeout", patience.String()}
	if !kept {
		args = append(args, "-H", "Connection: close")
	}
	var out bytes.Buffer
	cmd := exec.Command(path, append(args, s.base+wrkPath)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	end := sync.OnceValue(func() error {
		cmd.Process.Signal(os.Interrupt)
		return cmd.Wait()
	})
	t.Cleanup(func() { end() })
	return func() (r wrkReport) {
		require.NoError(t, end(), "%s", &out)
		count := func(words *regexp.Regexp, numbers ...*int) bool {
			found := words.FindStringSubmatch(out.String())
			for i, n := range numbers {
				if found != nil {
					*n, _ = strconv.Atoi(found[i+1])
				}
			}
			return found != nil
		}
		assert.True(t, count(wrkRequests, &r.requests), "%s", &out)
		count(wrkErrors, &r.connect, &r.read, &r.write, &r.timeout)
		count(wrkStatuses, &r.statuses)
		return r
	}
}
