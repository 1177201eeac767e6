// What a crash of an application does to nginx: to the worker's own requests,
// to those of others, and when it happens again and again.

package test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crashes are the ways to bring a process down, and what its report says.
var crashes = []struct{ how, fatal string }{
	{"panic", "panic: behave: a panic in a goroutine of its own"},
	{"map", "fatal error: concurrent map writes"},
	{"stack", "fatal error: stack overflow"},
	{"cgo", "SIGSEGV: segmentation violation"},
}

// assertReport asserts that the log tells of a crash all that there is to
// tell, and in its order.
func assertReport(t *testing.T, log, fatal, how string, pid int, held ...string) {
	t.Helper()
	var list strings.Builder
	for range len(held) + 1 {
		list.WriteString("PILLION-2181: in flight: app: \"behave\", client: 127.0.0.1, request: .*\n")
	}
	assert.Regexp(t, regexp.MustCompile(`(?s)`+regexp.QuoteMeta(fatal)+`.*\ngoroutine \d+.*behave\.serveCrash.*\n`+
		fmt.Sprintf(`(?-s:PILLION-2180: process %d crashes, requests in flight in it: %d`+"\n", pid, len(held)+1)+list.String()+`)`), log)
	for _, request := range append(held, `"POST /crash?how=`+how) {
		assert.Contains(t, log, request)
	}
}

func TestNginx_CrashTouchesNoOtherWorkerAndItsReportIsComplete(t *testing.T) {
	t.Parallel()
	for _, c := range crashes {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			n := conf{workers: "2", allowed: []string{`exited on signal 6`}}.start(t)
			of := n.hold(t, 8, n.path("apps/go"))
			require.Len(t, of, 2, "requests are held in both workers")
			doomed := n.crash(t, c.how)
			var lost []string
			for _, h := range of[doomed] {
				lost = append(lost, `"GET `+h.path+` HTTP/1.1"`)
			}
			n.awaitLog(t, fmt.Sprintf("worker process %d exited on signal 6", doomed))
			assertReport(t, n.log(), c.fatal, c.how, doomed, lost...)
			for _, h := range of[doomed] {
				assert.Error(t, (<-h.answer).err)
			}
			n.workers(2)
			require.NoError(t, os.WriteFile(n.path("apps/go"), nil, 0o644))
			for pid, list := range of {
				for _, h := range list {
					if pid != doomed {
						a := <-h.answer
						assert.NoError(t, a.err)
						assert.Equal(t, " held", a.body)
					}
				}
			}
		})
	}
}

// crash brings a process down and returns its pid.
func (s *server) crash(t *testing.T, how string) int {
	t.Helper()
	_, err := newServer("one", s.base, s.dial, s.log).try("POST", "/crash?how="+how, nil)
	assert.Error(t, err)
	_, after, _ := strings.Cut(s.awaitLog(t, "PILLION-2180: process "), "PILLION-2180: process ")
	pid, err := strconv.Atoi(after[:strings.Index(after, " ")])
	require.NoError(t, err)
	return pid
}

// held is a request that a handler holds.
type held struct {
	path   string
	answer chan answer
}

// hold has requests held in two processes, by whose pids it returns them, until
// that file is there.
func (s *server) hold(t *testing.T, count int, until string) map[int][]held {
	t.Helper()
	var mu sync.Mutex
	of := map[int][]held{}
	for end := time.Now().Add(patience); len(of) < 2 && time.Now().Before(end); {
		var group sync.WaitGroup
		for range count {
			group.Go(func() {
				h := held{"/hold?key=" + newKey() + "&send=+&file=" + until, make(chan answer, 1)}
				res, err := newServer("one", s.base, s.dial, s.log).client.Get(s.base + h.path)
				if !assert.NoError(t, err) {
					return
				}
				go func() { h.answer <- readAnswer(res) }()
				pid, _ := strconv.Atoi(res.Header.Get("X-Pid"))
				mu.Lock()
				of[pid] = append(of[pid], h)
				mu.Unlock()
			})
		}
		group.Wait()
	}
	return of
}

func TestNginx_CrashLoopOfAStartIsThrottled(t *testing.T) {
	t.Parallel()
	library(t, "two")
	n := conf{
		http:    "pillion_env BEHAVE_START exit; pillion_crash_limit 3 60s;",
		server:  "location /app { pillion_pass behave; } location / { return 200 fine; }",
		allowed: []string{`exited with code 3`, `PILLION-4181`},
	}.start(t)
	n.awaitLog(t, "PILLION-4181: workers crash too often")
	assert.Equal(t, 4, strings.Count(n.log(), "exited with code 3"), "three may crash within the time")
	assert.Equal(t, 4, strings.Count(n.log(), "PILLION-4180: worker process"), "each has been told of")
	worker := n.workers(1)

	a := n.get(t, "/app/x")
	assert.Equal(t, 503, a.StatusCode)
	seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
	assert.NoError(t, err)
	assert.InDelta(t, 60, seconds, float64(patience/time.Second)+1)
	n.awaitLog(t, `PILLION-4184: application "behave" is not loaded`)
	assert.Equal(t, "fine", n.whole(t, "/").body, "what is no application is served")
	assert.Equal(t, worker, n.workers(1), "nothing crashes any more")

	// What has been mended is loaded at once.
	text, err := os.ReadFile(n.path("nginx.conf"))
	require.NoError(t, err)
	n.write(strings.Replace(string(text), "pillion_env BEHAVE_START exit;", "", 1))
	n.signal(syscall.SIGHUP)
	eventually(t, "the application", func() bool {
		n.client.CloseIdleConnections()
		a, err := n.try("GET", "/app/facts", nil)
		return err == nil && a.StatusCode == 200
	})
}

func TestNginx_CrashLoopOfRequestsPausesAndGoesOn(t *testing.T) {
	t.Parallel()
	n := conf{http: "pillion_crash_limit 2 20s;", allowed: []string{`exited on signal 9`, `PILLION-4181`}}.start(t)
	crash := func() {
		pids := n.workers(1)
		_, err := n.try("POST", "/crash?how=kill", nil)
		assert.Error(t, err)
		eventually(t, "another worker", func() bool { now := n.children(); return len(now) == 1 && now[0] != pids[0] })
	}
	status := func(want int) func() bool {
		return func() bool {
			n.client.CloseIdleConnections()
			a, err := n.try("GET", "/facts/x", nil)
			return err == nil && a.StatusCode == want
		}
	}
	for range 2 {
		crash()
		eventually(t, "two are allowed", status(200))
	}
	assert.NotContains(t, n.log(), "PILLION-4181")
	crash()
	require.True(t, status(503)(), "three are too many")
	eventually(t, "the end of the pause", status(200))
	n.awaitLog(t, "PILLION-4182: loading")
	// Soon after the pause one is too many.
	crash()
	require.True(t, status(503)())
	eventually(t, "the end of the second pause", status(200))
	assert.Equal(t, 2, strings.Count(n.log(), "PILLION-4181"))
}

func TestNginx_CrashesMayGoUnlimited(t *testing.T) {
	t.Parallel()
	n := conf{http: "pillion_crash_limit off;", allowed: []string{`exited with code 3`}}.start(t)
	for i := range 12 {
		eventually(t, "a crash", func() bool {
			_, err := n.try("POST", "/crash?how=exit", nil)
			return err != nil
		})
		eventually(t, "the next worker", func() bool { return strings.Count(n.log(), "PILLION-4180") == i+1 })
	}
	assert.NotContains(t, n.log(), "PILLION-4181")
}

func TestNginx_WorkersThatEndInOrderAreNoCrashes(t *testing.T) {
	t.Parallel()
	n := conf{}.start(t)
	for range 3 {
		n.get(t, "/facts/x")
		n.client.CloseIdleConnections()
		old := n.workers(1)[0]
		require.NoError(t, syscall.Kill(old, syscall.SIGQUIT))
		eventually(t, "another worker", func() bool { now := n.children(); return len(now) == 1 && now[0] != old })
	}
	n.get(t, "/facts/x")
	assert.NotContains(t, n.log(), "PILLION-4180")
}
