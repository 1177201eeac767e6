// Clients that keep a server busy while a test does something to it.

package test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// load is eight clients, until they are stopped, or 400,000 requests. Half of
// them keep their connections and send a request again, as HTTP clients do, if
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
			c := newServer("load", s.base, s.dial, s.log)
			defer c.client.CloseIdleConnections()
			c.client.Transport.(*http.Transport).DisableKeepAlives = i%2 == 0
			for j := 0; j < 50000 && ctx.Err() == nil; j++ {
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
