package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFaults_KilledWorkerTakesOnlyItsOwnRequests kills one of two processes that
// both have responses on their way.
func TestFaults_KilledWorkerTakesOnlyItsOwnRequests(t *testing.T) {
	for _, h := range []struct {
		name  string
		start func(t *testing.T) (*server, string, func() []int)
	}{
		{"nginx", func(t *testing.T) (*server, string, func() []int) {
			n := conf{workers: "2", allowed: []string{`exited on signal 9`}}.start(t)
			return n.server, n.path("apps/go"), n.children
		}},
		{"apache", func(t *testing.T) (*server, string, func() []int) {
			a := apacheConf{limits: `
				ServerLimit 2
				StartServers 2
				ThreadsPerChild 50
				MaxRequestWorkers 100
				MinSpareThreads 100
				MaxSpareThreads 100`}.start(t)
			return a.server, a.path("apps/go"), a.children
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s, file, children := h.start(t)
			type held struct {
				pid int
				*wire
				*http.Response
			}
			var all []held
			perProcess := map[int]int{}
			eventually(t, "both have requests", func() bool {
				if len(all) < 80 {
					w := s.wire(t, fmt.Sprintf("GET /hold?send=begin+&key=%s&file=%s HTTP/1.1\nHost: h\n\n", newKey(), file))
					res := w.response("GET")
					pid, err := strconv.Atoi(res.Header.Get("X-Pid"))
					require.NoError(t, err)
					all = append(all, held{pid, w, res})
					perProcess[pid]++
				}
				return len(perProcess) == 2
			})
			victim := all[0].pid
			require.NoError(t, syscall.Kill(victim, syscall.SIGKILL))
			for _, r := range all {
				require.NoError(t, r.SetDeadline(time.Now().Add(patience)))
			}
			for _, r := range all {
				if r.pid == victim {
					b, err := io.ReadAll(r.Body)
					assert.Error(t, err, "it must not look whole")
					assert.Contains(t, "begin ", string(b))
				}
			}
			eventually(t, "another process", func() bool { return !running(victim) && len(children()) == 2 })
			require.NoError(t, os.WriteFile(file, nil, 0o644))
			for _, r := range all {
				if r.pid != victim {
					b, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					assert.Equal(t, "begin held", string(b))
				}
			}
			for range 20 {
				assert.Equal(t, 200, s.get(t, "/facts/x").StatusCode)
			}
			if s.name == "nginx" { // httpd does not log a SIGKILL
				s.awaitLog(t, fmt.Sprintf("worker process %d exited on signal 9", victim))
			}
		})
	}
}
