package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// install puts another build of the library where nginx finds it, by a rename.
func (n *nginx) install(version string) {
	n.t.Helper()
	copyFile(n.t, library(n.t, version), n.path("app.so"))
}

func TestNginx_QuitLetsRequestsFinish(t *testing.T) {
	n := conf{http: `pillion_env BEHAVE_STOP_FILE @dir@/apps/stopped;`}.start(t)
	key := newKey()
	held := make(chan answer, 1)
	go func() {
		a, err := n.try("GET", "/hold?send=begin+&key="+key+"&file="+n.path("apps/go"), nil)
		assert.NoError(t, err)
		held <- a
	}()
	n.await(t, key+"/in")
	worker := n.workers(1)[0]
	n.client.CloseIdleConnections()
	n.signal(syscall.SIGQUIT)
	n.awaitLog(t, "gracefully shutting down")
	assert.True(t, running(worker))
	assert.NoFileExists(t, n.path("apps/stopped"))
	select {
	case <-n.exited:
		t.Fatal("nginx has not waited for the request")
	case <-time.After(300 * time.Millisecond): // no event tells that nothing happens
	}
	// No new connection is taken any more: a file has to tell the handler.
	require.NoError(t, os.WriteFile(n.path("apps/go"), nil, 0o644))
	a := <-held
	assert.NoError(t, a.err)
	assert.Equal(t, "begin held", a.body)
	<-n.exited
	assert.Equal(t, "stopped one\n", n.read("apps/stopped"))
}

func TestNginx_StopHookRunsOncePerWorker(t *testing.T) {
	n := conf{workers: "2", http: `pillion_env BEHAVE_STOP_FILE @dir@/apps/stopped;`}.start(t)
	n.get(t, "/facts/x")
	n.client.CloseIdleConnections()
	eventually(t, "both have started", func() bool { return strings.Count(n.log(), "PILLION-4106: started") == 2 })
	n.signal(syscall.SIGTERM)
	<-n.exited
	assert.Equal(t, "stopped one\nstopped one\n", n.read("apps/stopped"))
}

func TestNginx_StopHookHasADeadline(t *testing.T) {
	n := conf{http: `pillion_env BEHAVE_STOP hang; pillion_stop_timeout 300ms;`}.start(t)
	n.get(t, "/facts/x")
	n.client.CloseIdleConnections()
	n.signal(syscall.SIGQUIT)
	begin := time.Now()
	<-n.exited
	assert.Less(t, time.Since(begin), 8*time.Second, "ten are the default")
	n.awaitLog(t, "stopping")
}

func TestNginx_ApplicationThatExitsIsReplacedAndToldOf(t *testing.T) {
	n := conf{allowed: []string{`exited with`}}.start(t)
	worker := n.workers(1)[0]
	_, err := n.try("POST", "/crash?how=exit", nil)
	assert.Error(t, err)
	n.awaitLog(t, "exited with code 3")
	n.awaitLog(t, fmt.Sprintf("PILLION-4180: worker process %d ended without stopping", worker))
	eventually(t, "another worker", func() bool {
		a, err := n.try("GET", "/runtime", nil)
		return err == nil && a.StatusCode == 200
	})
	assert.NotEqual(t, worker, n.runtime(t, "").Pid)
	assert.False(t, running(worker))
}

// pids are the workers that answer, when there are that many.
func (n *nginx) pids(t *testing.T, want int) map[int]bool {
	t.Helper()
	pids := map[int]bool{}
	eventually(t, "all workers have answered", func() bool {
		// Together, so that they do not all fall to the one that is awake.
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 16 {
			wg.Go(func() {
				c := newServer("one", n.base, n.dial, n.log)
				defer c.client.CloseIdleConnections()
				var r behave.Runtime
				a, err := c.try("GET", "/runtime?gc=1", nil)
				if err != nil || a.StatusCode != 200 {
					return
				}
				a.into(t, &r)
				mu.Lock()
				pids[r.Pid] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		return len(pids) >= want
	})
	return pids
}

func TestNginx_TwoWorkersHaveALibraryEach(t *testing.T) {
	n := conf{workers: "2"}.start(t)
	var want []int
	for pid := range n.pids(t, 2) {
		want = append(want, pid)
	}
	assert.ElementsMatch(t, n.children(), want)
}

func TestNginx_MasterNeverLoadsTheLibrary(t *testing.T) {
	n := conf{}.start(t)
	n.get(t, "/facts/x")
	maps := func(pid int) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		require.NoError(t, err)
		return string(b)
	}
	threads := func(pid int) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		require.NoError(t, err)
		return len(entries)
	}
	assert.Contains(t, maps(n.workers(1)[0]), n.path("app.so"))
	n.install("two")
	n.signal(syscall.SIGHUP)
	eventually(t, "the new version", func() bool { return n.tryRuntime().Version == "two" })
	master := n.master.Process.Pid
	assert.NotContains(t, maps(master), "app.so")
	assert.Equal(t, 1, threads(master))
}

func TestNginx_CacheHelpersDoNotLoadTheLibrary(t *testing.T) {
	n := conf{http: `proxy_cache_path @dir@/cache keys_zone=c:1m;`}.start(t)
	n.get(t, "/facts/x")
	worker := n.runtime(t, "").Pid
	for _, pid := range n.children() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		if err != nil {
			continue // the loader has ended
		}
		assert.Equal(t, pid == worker, strings.Contains(string(b), "app.so"))
	}
}

func TestNginx_DescriptorsStayConstant(t *testing.T) {
	n := conf{}.start(t)
	returnsToBaseline(t, n.server)
	once := n.once()
	request := func(i int) {
		switch i % 4 {
		case 0:
			w := n.wire(t, "GET /facts/x HTTP/1.1\nHost: h\nConnection: close\n\n")
			w.answer("GET")
			w.Close()
		case 1:
			n.get(t, "/panic?n=10&flush=1")
		case 2:
			assert.NoError(t, once.uploadUnread())
		case 3:
			w := n.wire(t, "GET /bytes?n=1000000&seed=d HTTP/1.1\nHost: h\n\n")
			w.response("GET")
			w.Close()
		}
	}
	for i := range 100 {
		request(i)
	}
	n.client.CloseIdleConnections()
	before := n.runtime(t, "gc=1")
	for i := range 1000 {
		request(i)
	}
	eventually(t, "as many descriptors and as much memory as before", func() bool {
		n.client.CloseIdleConnections()
		now := n.runtime(t, "gc=1")
		return now.Files <= before.Files && (now.RSS-before.RSS < 16<<20 || sanitizing()) // whose allocator keeps freed memory
	})
}

func TestNginx_ConfigurationErrors(t *testing.T) {
	location := func(text string) string { return "location / { " + text + " }" }
	pass := location("pillion_pass behave;")
	for _, c := range []struct {
		name string
		conf conf
		says []string
	}{
		{"missing_library", conf{library: "none", http: "pillion_library /no/such/app.so;", server: pass},
			[]string{"PILLION-4016: the library cannot be used: PILLION-3002: ", "there is no file", "/no/such/app.so", "nginx.conf:"}},
		{"no_library_directive", conf{library: "none", server: pass}, []string{"PILLION-4012: ", "pillion_library", "nginx.conf:"}},
		{"not_a_library", conf{library: "behave/behave.go", server: pass}, []string{"PILLION-4016: the library cannot be used: PILLION-3006: ", "is not a shared library", "nginx.conf:"}},
		{"executable", conf{library: executable(t, "exe"), server: pass}, []string{"PILLION-3006: ", "-buildmode=c-shared", "nginx.conf:"}},
		{"cut_library", conf{library: cut(t, 500000), server: pass}, []string{"PILLION-3014: ", "is cut: copy it again", "nginx.conf:"}},
		{"not_pillion", conf{library: plugin(t, "stranger", strangerSource), server: pass}, []string{"PILLION-3010: ", "is not a Pillion library", "nginx.conf:"}},
		{"wrong_abi", conf{library: plugin(t, "future", futureSource), server: pass}, []string{"PILLION-3011: ", "ABI version 2.0", "is needed", "nginx.conf:"}},
		{"unknown_app", conf{server: location("pillion_pass behvae;")}, []string{"PILLION-4018: ", `"behvae"`, `"behave"`, `"other"`, "nginx.conf:"}},
		{"library_that_ends_the_process", conf{library: plugin(t, "exits", exitsSource), server: pass}, []string{"PILLION-4019: ", "ended the process, which exited with code 4; its own words, if any,", "nginx.conf:"}},
		{"library_that_is_killed", conf{library: plugin(t, "killed", killedSource), server: pass}, []string{"PILLION-4019: ", "which was ended by signal 7;", "nginx.conf:"}},
		{"duplicate_library", conf{http: "pillion_library x.so;", server: pass}, []string{"is duplicate (PILLION-4001) in /", `"pillion_library" directive is duplicate`}},
		{"duplicate_pass", conf{server: location("pillion_pass behave; pillion_pass other;")}, []string{"(PILLION-4007)", `"pillion_pass" directive is duplicate`}},
		{"script_name_without_slash", conf{server: location("pillion_pass behave; pillion_script_name app;")}, []string{"(PILLION-4010)", `must start with "/"`}},
		{"script_name_with_a_variable", conf{server: location("pillion_pass behave; pillion_script_name /var/$app;")}, []string{"(PILLION-4022)", `"pillion_script_name" directive takes no variables`}},
		{"read_timeout", conf{server: location("pillion_pass behave; pillion_read_timeout 0;")}, []string{"(PILLION-4021)", `"pillion_read_timeout" directive must be more than 0`}},
		{"gc_percent", conf{http: "pillion_gc_percent lots;", server: pass}, []string{"(PILLION-4006)", `must be a positive number or "off"`}},
		{"gomaxprocs", conf{http: "pillion_gomaxprocs 0;", server: pass}, []string{"must be between 1 and 1024"}},
		{"buffer_size", conf{server: location("pillion_pass behave; pillion_buffer_size 0;")}, []string{"PILLION-4011: ", "pillion_buffer_size"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := c.conf.check(t)
			assert.Error(t, err)
			for _, text := range c.says {
				assert.Contains(t, out, text)
			}
			assert.Contains(t, out, "[emerg]")
		})
	}
	t.Run("right", func(t *testing.T) {
		out, err := conf{server: everything + `location /v/ { pillion_pass $host; }`}.check(t)
		assert.NoError(t, err, out)
		assert.Contains(t, out, "syntax is ok")
	})
	t.Run("no_pass_needs_no_library", func(t *testing.T) {
		out, err := conf{library: "none", server: location("return 200;")}.check(t)
		assert.NoError(t, err, out)
	})
	t.Run("check_starts_no_application", func(t *testing.T) {
		out, err := conf{http: "pillion_env BEHAVE_START error;", server: pass}.check(t)
		assert.NoError(t, err, out)
	})
	closed := func(t *testing.T, mode os.FileMode) string {
		if os.Getuid() != 0 {
			missing(t, "root, whose workers become another user")
		}
		path := filepath.Join(tempDir(t, "closed"), "app.so")
		copyFile(t, library(t, "one"), path)
		require.NoError(t, os.Chmod(path, mode))
		return "pillion_library " + path + ";"
	}
	t.Run("library_that_the_workers_cannot_read", func(t *testing.T) {
		out, err := conf{library: "none", http: closed(t, 0o600), server: pass}.check(t)
		assert.Error(t, err)
		assert.Contains(t, out, "PILLION-4016: the library cannot be used: PILLION-3005: cannot read")
	})
	t.Run("user_that_is_said_after_the_library", func(t *testing.T) {
		out, err := conf{library: "none", http: closed(t, 0o600), server: pass, last: "user root;"}.check(t)
		assert.NoError(t, err, out)
	})
	t.Run("single_process_stays_root", func(t *testing.T) {
		out, err := conf{library: "none", http: closed(t, 0o600), server: pass, last: "master_process off;"}.check(t)
		assert.NoError(t, err, out)
	})
}

const exitsSource = "#include <stdlib.h>\n__attribute__((constructor)) static void at_load(void) { _Exit(4); }\n"

const killedSource = "#include <signal.h>\n__attribute__((constructor)) static void at_load(void) { raise(SIGBUS); }\n"

func TestNginx_ReloadWithABrokenLibraryKeepsTheOld(t *testing.T) {
	n := conf{allowed: []string{`is not a shared library`, `ended the process`}}.start(t)
	pid := n.runtime(t, "").Pid
	copyFile(t, "behave/behave.go", n.path("app.so"))
	n.signal(syscall.SIGHUP)
	n.awaitLog(t, "is not a shared library")
	copyFile(t, plugin(t, "killed", killedSource), n.path("app.so"))
	n.signal(syscall.SIGHUP)
	n.awaitLog(t, "which was ended by signal 7")
	assert.Equal(t, pid, n.runtime(t, "").Pid)
	n.install("two")
	n.signal(syscall.SIGHUP)
	eventually(t, "the new version", func() bool { return n.tryRuntime().Version == "two" })
}

func TestNginx_ReloadWithALibraryThatTheWorkersCannotReadKeepsTheOld(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "root, whose workers become another user")
	}
	n := conf{allowed: []string{`cannot read`}}.start(t)
	pid := n.runtime(t, "").Pid
	require.NoError(t, os.Chmod(n.path("app.so"), 0o600))
	n.signal(syscall.SIGHUP)
	n.awaitLog(t, "PILLION-3005: cannot read")
	assert.Equal(t, pid, n.runtime(t, "").Pid)
}

func TestNginx_FailedStartIsToldAndAnswered(t *testing.T) {
	for _, how := range []string{"error", "panic"} {
		setting := "pillion_env BEHAVE_START " + how + ";"
		n := conf{
			workers: "2",
			http:    setting,
			server:  "location /app { pillion_pass behave; } location / { return 200 fine; }",
			allowed: []string{`PILLION-4105`, `PILLION-4183`},
		}.start(t)
		eventually(t, "both have told", func() bool { return strings.Count(n.log(), "PILLION-4183: this worker cannot serve applications") == 2 })
		n.awaitLog(t, "to order")
		workers := n.workers(2)
		assert.Equal(t, 503, n.get(t, "/app/x").StatusCode)
		n.awaitLog(t, `PILLION-4203: application "behave" cannot answer`)
		assert.Equal(t, "fine", n.whole(t, "/").body, "what is no application is served")
		assert.ElementsMatch(t, workers, n.workers(2))

		// A reload is enough, and one to a library that fails again ends nothing.
		text := n.read("nginx.conf")
		n.write(strings.Replace(text, setting, "", 1))
		n.signal(syscall.SIGHUP)
		eventually(t, "the application", func() bool { return n.appStatus() == 200 })
		n.write(text)
		n.signal(syscall.SIGHUP)
		eventually(t, "no application", func() bool { return n.appStatus() == 503 })
		assert.Equal(t, "fine", n.whole(t, "/").body)
		assert.NotContains(t, n.log(), "PILLION-4180", "no worker has crashed")
	}
}

// appStatus is the answer of a worker to a new connection, 0 for none.
func (n *nginx) appStatus() int {
	n.client.CloseIdleConnections()
	a, err := n.try("GET", "/app/facts", nil)
	if err != nil {
		return 0
	}
	return a.StatusCode
}

func TestNginx_SingleProcessServesAndKeepsItsLibrary(t *testing.T) {
	n := conf{main: "master_process off;"}.start(t)
	returnsToBaseline(t, n.server)
	assert.Equal(t, n.master.Process.Pid, n.runtime(t, "").Pid)
	n.install("two")
	n.signal(syscall.SIGHUP)
	n.awaitLog(t, "keeps the library")
	assert.Equal(t, "one", n.runtime(t, "").Version)
	assert.Equal(t, "the other application: /other", n.whole(t, "/other").body)
}

func TestNginx_ApplicationsMayRunPrograms(t *testing.T) {
	n := conf{}.start(t)
	assert.Equal(t, "child says hello\n", n.whole(t, "/exec").body)
}

func TestNginx_BuildScriptRefusesWhatIsNoSource(t *testing.T) {
	out, err := exec.Command("../examples/nginx/build.sh", filepath.Join(tempDir(t, "build"), "out"), t.TempDir()).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "is not an nginx source tree")
}
