// What a crash of an application does to httpd: to the child's own requests, to
// those of others, and when it happens again and again.

package test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestApache_CrashTouchesNoOtherChildAndItsReportIsComplete(t *testing.T) {
	t.Parallel()
	for _, c := range crashes {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			a := apacheConf{limits: twoProcesses, allowed: []string{`exit signal`}}.start(t)
			of := a.hold(t, 8, a.path("apps/go"))
			require.Len(t, of, 2, "requests are held in both children")
			doomed := a.crash(t, c.how)
			var lost []string
			for _, h := range of[doomed] {
				lost = append(lost, `"GET `+h.path+` HTTP/1.1"`)
			}
			a.awaitLog(t, fmt.Sprintf("child pid %d exit signal Abort", doomed))
			assertReport(t, a.log(), c.fatal, c.how, doomed, lost...)
			for _, h := range of[doomed] {
				assert.Error(t, (<-h.answer).err)
			}
			require.NoError(t, os.WriteFile(a.path("apps/go"), nil, 0o644))
			for pid, list := range of {
				for _, h := range list {
					if pid != doomed {
						answer := <-h.answer
						assert.NoError(t, answer.err)
						assert.Equal(t, " held", answer.body)
					}
				}
			}
		})
	}
}

func TestApache_CrashReportOfAPreforkChildIsComplete(t *testing.T) {
	t.Parallel()
	a := apacheConf{mpm: "prefork", limits: "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nMaxRequestWorkers 4",
		allowed: []string{`exit signal`}}.start(t)
	pid := a.crash(t, "cgo")
	a.awaitLog(t, fmt.Sprintf("child pid %d exit signal Abort", pid))
	assertReport(t, a.log(), "SIGSEGV: segmentation violation", "cgo", pid)
}

func TestApache_CrashLoopOfAStartIsThrottled(t *testing.T) {
	t.Parallel()
	a := apacheConf{
		main: "PillionEnv BEHAVE_START exit\nPillionCrashLimit 2 60s",
		host: `PillionScriptAlias /app behave
			Alias /static @dir@/apps
			<Directory @dir@/apps>
			  Require all granted
			</Directory>`,
		allowed: []string{`PILLION-5181`},
	}.start(t)
	require.NoError(t, os.WriteFile(a.path("apps/page"), []byte("a file"), 0o644))
	a.awaitLog(t, "PILLION-5181: children crash too often")
	assert.Equal(t, 3, strings.Count(a.log(), "PILLION-5180: child"), "two may crash within the time")

	var answer answer
	eventually(t, "an answer of a child that waits", func() bool {
		var err error
		answer, err = a.try("GET", "/app/x", nil)
		return err == nil
	})
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	assert.NoError(t, err)
	assert.InDelta(t, 60, seconds, float64(patience/time.Second)+1)
	a.awaitLog(t, `PILLION-5185: application "behave" is not loaded`)
	assert.Equal(t, "a file", a.whole(t, "/static/page").body, "what is no application is served")
	assert.Equal(t, 3, strings.Count(a.log(), "PILLION-5180: child"), "nothing crashes any more")

	// What has been mended is loaded at once.
	text, err := os.ReadFile(a.path("httpd.conf"))
	require.NoError(t, err)
	a.write(strings.Replace(string(text), "PillionEnv BEHAVE_START exit", "", 1))
	a.signal(apacheGraceful)
	eventually(t, "the application", func() bool {
		a.client.CloseIdleConnections()
		answer, err := a.try("GET", "/app/facts", nil)
		return err == nil && answer.StatusCode == 200
	})
}

func TestApache_CrashLoopOfRequestsPausesAndGoesOn(t *testing.T) {
	t.Parallel()
	a := apacheConf{main: "PillionCrashLimit 1 20s", allowed: []string{`exit signal`, `PILLION-5181`}}.start(t)
	crash := func(so int) {
		_, err := a.try("POST", "/crash?how=kill", nil)
		assert.Error(t, err)
		eventually(t, "the parent has seen it", func() bool { return strings.Count(a.log(), "PILLION-5180") == so })
	}
	status := func(want int) func() bool {
		return func() bool {
			a.client.CloseIdleConnections()
			answer, err := a.try("GET", "/facts/x", nil)
			return err == nil && answer.StatusCode == want
		}
	}
	crash(1)
	assert.NotContains(t, a.log(), "PILLION-5181")
	eventually(t, "one is allowed", status(200))
	crash(2)
	eventually(t, "two are too many", status(503))
	eventually(t, "the end of the pause", status(200))
	a.awaitLog(t, "PILLION-5184: loading")
	// Soon after the pause one is too many.
	crash(3)
	eventually(t, "a second pause", status(503))
	eventually(t, "its end", status(200))
	assert.Equal(t, 2, strings.Count(a.log(), "PILLION-5181"))
}

func TestApache_ChildrenThatEndInOrderAreNoCrashes(t *testing.T) {
	t.Parallel()
	for _, mpm := range []string{"event", "prefork"} {
		a := apacheConf{mpm: mpm, main: "MaxConnectionsPerChild 3"}.start(t)
		old := a.runtime(t, "").Pid
		eventually(t, "its end", func() bool {
			a.client.CloseIdleConnections()
			a.try("GET", "/facts/x", nil)
			return !running(old)
		})
		a.get(t, "/facts/x")
		assert.NotContains(t, a.log(), "PILLION-5180", mpm)
	}
}
