// Clients that send slowly, and as many of them as there may be.

package test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hasteners end slow requests soon, but none of a test's own on a busy machine.
var hasteners = []faultHost{
	{"nginx", func(t *testing.T) *server {
		return conf{http: `client_header_timeout 3s; client_body_timeout 3s;`}.start(t).server
	}},
	{"apache", func(t *testing.T) *server {
		// The event MPM has a thread for each of these, which is what it needs
		// anyway to read a header.
		return apacheConf{limits: strings.ReplaceAll(oneProcess, "100", "500"),
			modules: []string{"reqtimeout"}, main: "RequestReadTimeout handshake=0 header=3 body=3"}.start(t).server
	}},
}

func TestFaults_SlowClientsAreEndedAndOthersServed(t *testing.T) {
	const clients = 100
	for _, h := range hasteners {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := h.start(t)
			unharmed(t, s)
			var slow sync.WaitGroup
			var overstayed atomic.Int64
			// client sends bytes until the server ends it, or one, and waits.
			client := func(head string, drips int) {
				w := s.wire(t, head)
				slow.Go(func() {
					for range drips {
						io.WriteString(w, "a")
						w.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
						if _, err := w.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
							return
						}
					}
					w.SetReadDeadline(time.Now().Add(patience))
					if _, err := w.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || drips > 1 {
						overstayed.Add(1)
					}
				})
			}
			key := newKey()
			before := s.runtime(t, "")
			for i := range clients {
				if i%10 == 0 {
					// nginx limits the time between two reads of a body, not that of all.
					client("POST /slow-upload?first=1000&key="+key+" HTTP/1.1\nHost: h\nContent-Length: 1000\n\n", 1)
				} else {
					client("GET /count?key=never HTTP/1.1\nHost: h\nX-Drip: ", 200)
				}
			}
			for range 50 {
				assert.Equal(t, 200, s.get(t, "/facts/x").StatusCode)
			}
			// A header has no handler yet, and so no goroutine.
			assert.Less(t, s.runtime(t, "").Goroutines, before.Goroutines+clients/10+20)
			slow.Wait()
			assert.Zero(t, overstayed.Load(), "clients that were not ended")
			assert.NotEmpty(t, s.await(t, key+"/end"))
		})
	}
}

// needDescriptors raises the limit of open files to n.
func needDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < n {
		t.Fatalf("needs %d descriptors in a process, and the hard limit is %d: ulimit -Hn", n, limit.Max)
	}
	before := limit
	limit.Cur = max(limit.Cur, n)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
}

// All are connected before the first asks, and all handlers run at once.
func TestFaults_TenThousandConnectionsAreAnswered(t *testing.T) {
	const connections = 10000
	needDescriptors(t, connections+2000)
	n := conf{main: fmt.Sprintf("worker_rlimit_nofile %d;", connections+2000), workerConnections: connections + 1000}.start(t)
	unharmed(t, n.server)
	key := newKey()
	conns := make([]net.Conn, connections)
	for i := range conns {
		c, err := n.dial()
		require.NoError(t, err)
		defer c.Close()
		conns[i] = c
	}
	var answered atomic.Int64
	var readers sync.WaitGroup
	deadline := time.Now().Add(3 * patience)
	for i, c := range conns {
		c.SetDeadline(deadline)
		_, err := fmt.Fprintf(c, "GET /cross/t%d?meet=%d&key=%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", i, connections, key)
		require.NoError(t, err)
		readers.Go(func() {
			b, err := io.ReadAll(c)
			if err == nil && strings.HasPrefix(string(b), "HTTP/1.1 200 ") && strings.Contains(string(b), fmt.Sprintf("\nt%d\n", i)) {
				answered.Add(1)
			}
		})
	}
	readers.Wait()
	assert.EqualValues(t, connections, answered.Load())
}
