// Reloads and upgrades, many in a row and under load, with another build of the
// library each time: nothing fails, and nothing is left behind.

package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

const (
	nginxReloads   = 100
	apacheRestarts = 50
)

// footprint is what a process that reloads must not have more of each time.
type footprint struct {
	files, threads int
	memory         int64 // its own, resident, in bytes
}

func footprintOf(t *testing.T, pid int) (f footprint) {
	t.Helper()
	for dir, n := range map[string]*int{"fd": &f.files, "task": &f.threads} {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, dir))
		require.NoError(t, err)
		*n = len(entries)
	}
	kilobytes, err := strconv.ParseInt(statusOf(pid, "RssAnon"), 10, 64)
	require.NoError(t, err)
	f.memory = kilobytes << 10
	return f
}

// statusOf is the first word of a line of /proc/PID/status, "" without such a
// process.
func statusOf(pid int, name string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "\n"+name+":")
	if words := strings.Fields(rest); len(words) > 0 {
		return words[0]
	}
	return ""
}

// masterTolerance is for the fragments of its heap: a configuration that was
// kept would be some 40 KiB at each reload, 4 MiB in all.
const masterTolerance = 1 << 20

// workerTolerance is as of one process that serves a thousand requests: what Go
// and malloc keep differs with the load of the moment. filesTolerance is for the
// channels that nginx's workers have to those that started before them.
const (
	workerTolerance = 16 << 20
	filesTolerance  = 3
)

// reloadOften swaps the library and has the server load it, that many times,
// under load. The first ten let the master's heap find its size.
func reloadOften(t *testing.T, s *server, times, master int, install func(version string), reload func()) {
	t.Helper()
	library(t, "two") // not to be built while the load runs
	processes := func() int { return len(childrenOf(master)) }
	before, generation := s.runtime(t, "gc=1"), processes()
	l := startLoad(t, s)
	single, kept := startWrk(t, s, false), startWrk(t, s, true)
	eventually(t, "load", func() bool { return l.requests.Load() > 500 })
	var early footprint
	most := generation
	begin := time.Now()
	for i := range times {
		to := []string{"two", "one"}[i%2]
		install(to)
		served := l.requests.Load()
		reload()
		eventually(t, "the new version "+to, func() bool { return s.tryRuntime().Version == to })
		eventually(t, "more load", func() bool { return l.requests.Load() > served+50 })
		most = max(most, processes())
		eventually(t, "the end of all processes but those of two versions", func() bool { return processes() <= 2*generation })
		if i == min(10, times/2) {
			early = footprintOf(t, master)
		}
	}
	took := time.Since(begin)
	l.stop()
	one, many := single(), kept()
	s.client.CloseIdleConnections()
	assert.Zero(t, l.failures.Load(), "first: %v", l.first.Load())
	assert.Greater(t, one.requests, times)
	assert.Equal(t, wrkReport{requests: one.requests}, one, "wrk with a connection for each request")
	// A process that ends closes the connections that are idle, once each, whatever
	// may be on its way to it: that is no failure of a request that it has.
	assert.Greater(t, many.requests, times)
	assert.LessOrEqual(t, many.read+many.write, times*generation*wrkConnections)
	assert.Equal(t, wrkReport{requests: many.requests, read: many.read, write: many.write}, many, "wrk with connections that it keeps")

	var late footprint
	var now behave.Runtime
	defer func() {
		t.Logf("%d requests over %d reloads in %v, %d failed, besides %d and %d of wrk; at most %d processes; master %+v, then %+v; a worker's RSS %d KiB, then %d KiB, descriptors %d, then %d",
			l.requests.Load(), times, took, l.failures.Load(), one.requests, many.requests, most, early, late,
			before.RSS>>10, now.RSS>>10, before.Files, now.Files)
	}()
	eventually(t, "the master's descriptors for old processes closed", func() bool {
		late = footprintOf(t, master)
		return late.files <= early.files
	})
	assert.Equal(t, 1, late.threads)
	assert.Less(t, late.memory-early.memory, int64(masterTolerance))
	eventually(t, "a worker with no more than one had at the beginning", func() bool {
		s.client.CloseIdleConnections()
		now = s.runtime(t, "gc=1")
		return now.Files <= before.Files+filesTolerance && now.RSS-before.RSS < workerTolerance
	})
}

func TestNginx_HundredReloadsUnderLoadFailNoRequest(t *testing.T) {
	t.Parallel()
	n := conf{workers: "2", level: "warn"}.start(t)
	old := n.workers(2)
	reloadOften(t, n.server, nginxReloads, n.master.Process.Pid, n.install, func() { n.signal(syscall.SIGHUP) })
	eventually(t, "the end of all workers but the last", func() bool {
		return !running(old[0]) && !running(old[1]) && len(n.children()) == 2
	})
	assertNoneDropped(t, n.read("access.log"), `HTTP/1.1" 200 `)
}

// assertNoneDropped looks for requests of startLoad that were answered
// otherwise, or not at all: what a client sends again it does not count. Of wrk's
// requests there may be those that its own end has cut.
func assertNoneDropped(t *testing.T, log, good string) {
	t.Helper()
	cut := 0
	for line := range strings.Lines(log) {
		switch {
		case strings.Contains(line, good):
		case strings.Contains(line, "/cross/"):
			assert.Fail(t, "dropped: "+line)
		case strings.Contains(line, wrkPath):
			cut++
		}
	}
	assert.LessOrEqual(t, cut, 2*wrkConnections)
}

// daemon starts nginx in the background, as an upgrade of its binary needs it,
// and returns what reads the pid of the master in charge.
func (c conf) daemon(t *testing.T) (*nginx, func() int) {
	t.Helper()
	n, binary := c.prepare(t)
	text, err := os.ReadFile(n.path("nginx.conf"))
	require.NoError(t, err)
	n.write(strings.Replace(string(text), "daemon off;", "daemon on;", 1))
	addr := "127.0.0.1:" + strconv.Itoa(n.port)
	n.server = newServer("nginx", "http://"+addr, dialTCP(addr), func() string { return n.read("error.log") })
	pid := func() int {
		pid, _ := strconv.Atoi(strings.TrimSpace(n.read("nginx.pid")))
		return pid
	}
	t.Cleanup(func() {
		for _, name := range []string{"nginx.pid.oldbin", "nginx.pid"} {
			if pid, err := strconv.Atoi(strings.TrimSpace(n.read(name))); err == nil {
				syscall.Kill(pid, syscall.SIGQUIT)
				eventually(t, "nginx's end", func() bool { return ended(pid) })
			}
		}
		for _, line := range grave.FindAllString(n.log(), -1) {
			assert.Fail(t, "in error.log: "+line)
		}
	})
	out, err := n.command(binary).CombinedOutput()
	require.NoError(t, err, "%s", out)
	eventually(t, "nginx listens", func() bool { _, err := n.try("GET", "/facts/x", nil); return err == nil })
	return n, pid
}

// ended is whether there is no such process, or nobody who waits for it.
func ended(pid int) bool {
	state := statusOf(pid, "State")
	return state == "" || state == "Z"
}

func TestNginx_BinaryUpgradeAndItsRollBackUnderLoadFailNoRequest(t *testing.T) {
	t.Parallel()
	library(t, "two")
	n, pid := conf{workers: "2", http: `pillion_env BEHAVE_STOP_FILE @dir@/apps/stopped;`}.daemon(t)
	signal := func(pid int, sig syscall.Signal) { require.NoError(t, syscall.Kill(pid, sig)) }
	l := startLoad(t, n.server)
	more := func() {
		before := l.requests.Load()
		eventually(t, "more load", func() bool { return l.requests.Load() > before+200 })
	}
	workers := func(master, want int) {
		eventually(t, "workers", func() bool { return len(childrenOf(master)) == want })
	}
	upgrade := func(old int) (master int) {
		signal(old, syscall.SIGUSR2)
		eventually(t, "a new master", func() bool { master = pid(); return master != 0 && master != old })
		workers(master, 2)
		signal(old, syscall.SIGWINCH)
		workers(old, 1) // the new master is its child
		more()
		return master
	}

	old := pid()
	more()
	n.install("two")
	next := upgrade(old)
	assert.Equal(t, "two", n.runtime(t, "").Version)

	// Back: the old master starts workers again, which load what is there now.
	n.install("one")
	signal(old, syscall.SIGHUP)
	workers(old, 3)
	signal(next, syscall.SIGQUIT)
	eventually(t, "the new master's end", func() bool { return ended(next) })
	eventually(t, "the old master is in charge", func() bool { return pid() == old })
	workers(old, 2)
	more()
	n.client.CloseIdleConnections()
	assert.Equal(t, "one", n.runtime(t, "").Version)

	// And for good.
	n.install("two")
	next = upgrade(old)
	signal(old, syscall.SIGQUIT)
	eventually(t, "the old master's end", func() bool { return ended(old) })
	more()
	n.client.CloseIdleConnections()
	assert.Equal(t, "two", n.runtime(t, "").Version)
	l.stop()
	assert.Zero(t, l.failures.Load(), "first: %v", l.first.Load())
	assertNoneDropped(t, n.read("access.log"), `HTTP/1.1" 200 `)
	assert.Equal(t, 6, strings.Count(n.read("apps/stopped"), "stopped"), "each worker that has ended has stopped its library")
	assert.NotContains(t, n.log(), "PILLION-4180")
}

func TestApache_FiftyGracefulRestartsUnderLoadFailNoRequest(t *testing.T) {
	t.Parallel()
	for mpm, times := range map[string]int{"event": apacheRestarts, "worker": 3, "prefork": 3} {
		t.Run(mpm, func(t *testing.T) {
			c := apacheConf{mpm: mpm, level: "warn"}
			if mpm != "prefork" {
				c.limits = twoProcesses
			}
			a := c.start(t)
			old := a.children()
			reloadOften(t, a.server, times, a.parent.Process.Pid, a.install, func() { a.signal(apacheGraceful) })
			for _, pid := range old {
				eventually(t, "the old children's end", func() bool { return !running(pid) })
			}
			if mpm != "prefork" { // which has as many as it needs
				a.childrenAre(2)
			}
			assertNoneDropped(t, a.read("access.log"), "200 ")
		})
	}
}

func TestNginx_OldWorkerLingersForWhatIsOpenUntilItsTimeout(t *testing.T) {
	t.Parallel()
	for _, limited := range []bool{false, true} {
		c := conf{}
		if limited {
			c.main = "worker_shutdown_timeout 300ms;"
		}
		n := c.start(t)
		old := n.workers(1)[0]
		idle := n.wire(t, "GET /facts/x HTTP/1.1\nHost: h\n\n") // kept alive
		idle.answer("GET")
		open := n.wire(t, "GET /hijack?how=lines HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: raw\n\n")
		open.response("GET")
		n.signal(syscall.SIGHUP)
		_, err := idle.r.ReadByte()
		assert.Error(t, err, "an idle connection is closed at once")
		if limited {
			_, err := open.r.ReadByte()
			assert.Error(t, err, "cut when the time has come")
		} else {
			open.send("still there\n")
			line, err := open.r.ReadString('\n')
			assert.NoError(t, err)
			assert.Equal(t, "you said still there\n", line)
			assert.True(t, running(old), "an open connection keeps the old worker")
			open.Close()
		}
		eventually(t, "the old worker's end", func() bool { return !running(old) })
	}
}
