package test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// install puts another build of the library where httpd finds it, by a rename.
func (a *apache) install(version string) {
	a.t.Helper()
	copyFile(a.t, library(a.t, version), a.path("app.so"))
}

// twoProcesses are two children from the start to the end.
const twoProcesses = `
ServerLimit 8
StartServers 2
ThreadLimit 25
ThreadsPerChild 25
MaxRequestWorkers 50
MinSpareThreads 50
MaxSpareThreads 50
`

func TestApache_GracefulStopLetsRequestsFinish(t *testing.T) {
	for _, mpm := range []string{"event", "worker", "prefork"} {
		t.Run(mpm, func(t *testing.T) {
			c := apacheConf{mpm: mpm, main: `PillionEnv BEHAVE_STOP_FILE @dir@/apps/stopped`}
			if mpm == "prefork" {
				c.limits = "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nMaxRequestWorkers 4"
			}
			a := c.start(t)
			key := newKey()
			held := make(chan answer, 1)
			go func() {
				answer, err := a.try("GET", "/hold?send=begin+&key="+key+"&file="+a.path("apps/go"), nil)
				assert.NoError(t, err)
				held <- answer
			}()
			a.await(t, key+"/in")
			a.client.CloseIdleConnections()
			a.signal(apacheGracefulStop)
			a.awaitLog(t, "shutting down gracefully")
			select {
			case <-a.exited:
				t.Fatal("httpd has not waited for the request")
			case <-time.After(300 * time.Millisecond): // no event tells that nothing happens
			}
			// No new connection is taken any more: a file has to tell the handler.
			require.NoError(t, os.WriteFile(a.path("apps/go"), nil, 0o644))
			answer := <-held
			assert.NoError(t, answer.err)
			assert.Equal(t, "begin held", answer.body)
			<-a.exited
			assert.Contains(t, a.read("apps/stopped"), "stopped one\n")
		})
	}
}

func TestApache_StopHookRunsOncePerChild(t *testing.T) {
	for _, mpm := range []string{"event", "worker", "prefork"} {
		t.Run(mpm, func(t *testing.T) {
			// A child of worker that has only just started may miss the first signal.
			c := apacheConf{mpm: mpm, limits: twoProcesses, main: `PillionEnv BEHAVE_STOP_FILE @dir@/apps/stopped`,
				allowed: []string{"still did not exit, sending a SIGTERM"}}
			if mpm == "prefork" {
				c.limits = "StartServers 2\nMinSpareServers 2\nMaxSpareServers 2\nMaxRequestWorkers 2"
			}
			a := c.start(t)
			a.get(t, "/facts/x")
			a.childrenAre(2)
			eventually(t, "both have started", func() bool { return strings.Count(a.log(), "started \"") == 2 })
			a.client.CloseIdleConnections()
			a.signal(apacheStop)
			<-a.exited
			assert.Equal(t, "stopped one\nstopped one\n", a.read("apps/stopped"))
		})
	}
}

func TestApache_StopHookHasADeadline(t *testing.T) {
	a := apacheConf{main: "PillionEnv BEHAVE_STOP hang\nPillionStopTimeout 300ms"}.start(t)
	a.get(t, "/facts/x")
	a.client.CloseIdleConnections()
	a.signal(apacheGracefulStop)
	begin := time.Now()
	<-a.exited
	assert.Less(t, time.Since(begin), 8*time.Second, "httpd kills after nine, ten are the default")
	a.awaitLog(t, "stopping")
}

func TestApache_StopAtOnceEndsPreforkInTheMiddleOfARequest(t *testing.T) {
	a := apacheConf{mpm: "prefork", allowed: []string{"."}}.start(t)
	key := newKey()
	go a.try("GET", "/hold?key="+key, nil)
	a.await(t, key+"/in")
	begin := time.Now()
	a.signal(apacheStop)
	<-a.exited
	assert.Less(t, time.Since(begin), 8*time.Second, "httpd kills after nine")
	assert.NotContains(t, a.log(), "exit signal")
}

func TestApache_ApplicationThatExitsIsReplacedAndToldOf(t *testing.T) {
	a := apacheConf{}.start(t)
	child := a.childrenAre(1)[0]
	_, err := a.try("POST", "/crash?how=exit", nil)
	assert.Error(t, err)
	a.awaitLog(t, fmt.Sprintf("PILLION-5180: child %d ended without stopping", child))
	eventually(t, "another child", func() bool {
		answer, err := a.try("GET", "/runtime", nil)
		return err == nil && answer.StatusCode == 200
	})
	assert.NotEqual(t, child, a.runtime(t, "").Pid)
	assert.False(t, running(child))
}

func TestApache_CrashOfOneChildLeavesTheOther(t *testing.T) {
	for _, mpm := range []string{"event", "prefork"} {
		t.Run(mpm, func(t *testing.T) {
			c := apacheConf{mpm: mpm, allowed: []string{`exit signal`}, limits: twoProcesses}
			if mpm == "prefork" {
				c.limits = "StartServers 4\nMinSpareServers 3\nMaxSpareServers 4\nMaxRequestWorkers 6"
			}
			a := c.start(t)
			// A request that is held in one child, and a crash in another.
			res, err := a.client.Get(a.base + "/hold?send=begin+&key=" + newKey() + "&file=" + a.path("apps/go"))
			require.NoError(t, err)
			defer res.Body.Close()
			eventually(t, "a crash of another child", func() bool {
				a.client.CloseIdleConnections()
				answer, err := a.try("GET", "/crash?how=panic&but="+res.Header.Get("X-Pid"), nil)
				return err != nil || answer.StatusCode != 204
			})
			a.awaitLog(t, "exit signal Abort")
			require.NoError(t, os.WriteFile(a.path("apps/go"), nil, 0o644))
			body, err := io.ReadAll(res.Body)
			assert.NoError(t, err)
			assert.Equal(t, "begin held", string(body))
		})
	}
}

func TestApache_MaxConnectionsPerChildReplacesChildren(t *testing.T) {
	for _, mpm := range []string{"event", "prefork"} {
		t.Run(mpm, func(t *testing.T) {
			c := apacheConf{mpm: mpm, main: "MaxConnectionsPerChild 5\nPillionEnv BEHAVE_STOP_FILE @dir@/apps/stopped", limits: twoProcesses}
			if mpm == "prefork" {
				c.limits = "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nMaxRequestWorkers 2"
			}
			a := c.start(t)
			pids := map[int]bool{}
			for range 60 {
				pids[a.runtime(t, "").Pid] = true
				a.client.CloseIdleConnections()
			}
			assert.Greater(t, len(pids), 3)
			eventually(t, "a child that has stopped in order", func() bool { return strings.Contains(a.read("apps/stopped"), "stopped one") })
		})
	}
}

func TestApache_EveryMPMServes(t *testing.T) {
	for _, mpm := range []string{"event", "worker", "prefork"} {
		a := apacheConf{mpm: mpm}.start(t)
		returnsToBaseline(t, a.server)
		assert.Equal(t, "the other application: /other", a.whole(t, "/other").body, mpm)
		a.awaitLog(t, "AH")
	}
}

func TestApache_ParentNeverLoadsTheLibrary(t *testing.T) {
	a := apacheConf{}.start(t)
	a.get(t, "/facts/x")
	maps := func(pid int) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		require.NoError(t, err)
		return string(b)
	}
	assert.Contains(t, maps(a.childrenAre(1)[0]), a.path("app.so"))
	a.install("two")
	a.signal(apacheGraceful)
	eventually(t, "the new version", func() bool { return a.tryRuntime().Version == "two" })
	parent := a.parent.Process.Pid
	assert.NotContains(t, maps(parent), "app.so")
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", parent))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestApache_LibraryIsCheckedOnceAtTheStart(t *testing.T) {
	const count = `#include <stdio.h>
__attribute__((constructor)) static void at_load(void) { fprintf(stderr, "loaded once more\n"); }
`
	out, err := apacheConf{library: plugin(t, "counts", count), host: everyApache}.check(t)
	assert.Error(t, err)
	assert.Equal(t, 1, strings.Count(out, "loaded once more"))
}

func TestApache_ConfigurationErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		conf apacheConf
		says []string
	}{
		{"missing_library", apacheConf{library: "none", main: "PillionLibrary /no/such/app.so"},
			[]string{"PILLION-5020: PillionLibrary on line", "there is no file", "/no/such/app.so", "PillionLibrary on line", "httpd.conf"}},
		{"no_library_directive", apacheConf{library: "none"}, []string{"PILLION-5016: ", "PillionScriptAlias on line", "needs a library: add PillionLibrary"}},
		{"not_a_library", apacheConf{library: "behave/behave.go"}, []string{"PILLION-3006: ", "is not a shared library", "PillionLibrary on line"}},
		{"executable", apacheConf{library: executable(t, "exe")}, []string{"PILLION-3006: ", "-buildmode=c-shared", "PillionLibrary on line"}},
		{"cut_library", apacheConf{library: cut(t, 500000)}, []string{"PILLION-3014: ", "is cut: copy it again", "PillionLibrary on line"}},
		{"not_pillion", apacheConf{library: plugin(t, "stranger", strangerSource)}, []string{"PILLION-3010: ", "is not a Pillion library", "PillionLibrary on line"}},
		{"wrong_abi", apacheConf{library: plugin(t, "future", futureSource)}, []string{"PILLION-3011: ", "ABI version 2.0", "is needed", "PillionLibrary on line"}},
		{"unknown_app", apacheConf{host: "PillionScriptAlias / behvae"}, []string{"PILLION-5021: ", `no application "behvae"`, `"behave"`, `"other"`, "PillionScriptAlias on line"}},
		{"unknown_app_of_a_location", apacheConf{host: "<Location />\nSetHandler pillion\nPillionApp behvae\n</Location>"}, []string{`no application "behvae"`, "PillionApp on line"}},
		{"library_that_ends_the_process", apacheConf{library: plugin(t, "exits", exitsSource)}, []string{"PILLION-5022: ", "ended the process, which exited with code 4; its own words, if any,", "PillionLibrary on line"}},
		{"library_that_is_killed", apacheConf{library: plugin(t, "killed", killedSource)}, []string{"PILLION-5022: ", "which was ended by signal 7;", "PillionLibrary on line"}},
		{"two_libraries", apacheConf{main: "PillionLibrary x.so"}, []string{"PILLION-5001: ", "PillionLibrary is set on line", "one library"}},
		{"library_in_a_host", apacheConf{library: "none", host: "PillionLibrary x.so"}, []string{"PillionLibrary cannot occur within <VirtualHost> section"}},
		{"env_in_a_host", apacheConf{host: everyApache + "PillionEnv A b"}, []string{"PillionEnv cannot occur within <VirtualHost> section"}},
		{"alias_in_a_location", apacheConf{host: "<Location />\nPillionScriptAlias / behave\n</Location>"}, []string{"PillionScriptAlias"}},
		{"app_outside_of_a_location", apacheConf{host: "PillionApp behave"}, []string{"PILLION-5011: ", "use PillionScriptAlias"}},
		{"alias_twice", apacheConf{host: "PillionScriptAlias /a behave\nPillionScriptAlias /a/ other"}, []string{"PILLION-5010: ", "is mapped to", "already, on line"}},
		{"alias_without_slash", apacheConf{host: "PillionScriptAlias a behave"}, []string{"PILLION-5008: ", "must start with a slash"}},
		{"gc_percent", apacheConf{main: "PillionGCPercent lots"}, []string{"PILLION-5005: ", "must be a positive number or Off"}},
		{"gomaxprocs", apacheConf{main: "PillionGoMaxProcs 0"}, []string{"PILLION-5004: ", "must be a number from 1 to 1024"}},
		{"memory_limit", apacheConf{main: "PillionMemoryLimit 5X"}, []string{"PILLION-5006: ", "must be a number of bytes"}},
		{"memory_limit_overflow", apacheConf{main: "PillionMemoryLimit 9999999999T"}, []string{"must be a number of bytes"}},
		{"read_timeout", apacheConf{main: "PillionReadTimeout soon"}, []string{"PILLION-5007: ", "PillionReadTimeout must be a time"}},
		{"read_timeout_of_nothing", apacheConf{main: "PillionReadTimeout 0"}, []string{"PillionReadTimeout must be a time, more than 0"}},
		{"stop_timeout", apacheConf{main: "PillionStopTimeout 0"}, []string{"PillionStopTimeout must be a time"}},
		{"crash_limit", apacheConf{main: "PillionCrashLimit 5 x"}, []string{"PILLION-5007: the second argument of PillionCrashLimit must be a time"}},
		{"pass_authorization", apacheConf{main: "PillionPassAuthorization perhaps"}, []string{"PILLION-5015: ", "must be On, Off or Auto"}},
		{"error_override", apacheConf{main: "PillionErrorOverride perhaps"}, []string{"must be On or Off"}},
		{"header_as_param", apacheConf{main: "PillionParam HTTP_X y"}, []string{"PILLION-5013: ", "RequestHeader"}},
		{"bad_expression", apacheConf{main: `PillionParam X "%{NO_SUCH"`}, []string{"PILLION-5014: ", "PillionParam X: cannot parse"}},
		{"env_with_equals", apacheConf{main: "PillionEnv A=b"}, []string{"PILLION-5003: ", "without an equals sign"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := c.conf.check(t)
			assert.Error(t, err)
			for _, text := range c.says {
				assert.Contains(t, out, text)
			}
			assert.NotContains(t, out, "Syntax OK")
		})
	}
	t.Run("right", func(t *testing.T) {
		out, err := apacheConf{main: "PillionMemoryLimit 1g\nPillionReadTimeout 5mi\nPillionStopTimeout 300ms"}.check(t)
		assert.NoError(t, err, out)
		assert.Contains(t, out, "Syntax OK")
	})
	t.Run("nothing_needs_no_library", func(t *testing.T) {
		out, err := apacheConf{library: "none", host: "RedirectMatch 404 ."}.check(t)
		assert.NoError(t, err, out)
	})
	t.Run("check_starts_no_application", func(t *testing.T) {
		out, err := apacheConf{main: "PillionEnv BEHAVE_START error"}.check(t)
		assert.NoError(t, err, out)
	})
	t.Run("library_that_the_children_cannot_read", func(t *testing.T) {
		if os.Getuid() != 0 {
			missing(t, "root, whose children become another user")
		}
		closed := filepath.Join(tempDir(t, "closed"), "app.so")
		copyFile(t, library(t, "one"), closed)
		require.NoError(t, os.Chmod(closed, 0o600))
		out, err := apacheConf{library: "none", main: "PillionLibrary " + closed}.check(t)
		assert.Error(t, err)
		assert.Contains(t, out, "cannot read")
	})
}

func TestApache_StartWithABadLibraryFails(t *testing.T) {
	a, binary := apacheConf{library: "behave/behave.go"}.prepare(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-DFOREGROUND", "-f", a.path("httpd.conf"))
	cmd.Cancel = func() error { return cmd.Process.Signal(apacheStop) } // should it have started
	out, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err())
	assert.Error(t, err)
	assert.Contains(t, string(out), "is not a shared library", "said where it was started")
}

func TestApache_RestartWithABrokenLibraryKeepsServing(t *testing.T) {
	a := apacheConf{
		host: `
			PillionScriptAlias /app behave
			Alias /static @dir@/apps
			<Directory @dir@/apps>
			  Require all granted
			</Directory>`,
		allowed: []string{`is not a shared library`},
	}.start(t)
	require.NoError(t, os.WriteFile(a.path("apps/page"), []byte("a file"), 0o644))
	assert.Equal(t, 200, a.get(t, "/app/facts/x").StatusCode)
	copyFile(t, "behave/behave.go", a.path("app.so"))
	a.signal(apacheGraceful)
	a.awaitLog(t, "is not a shared library")
	status := func(want int) func() bool {
		return func() bool {
			a.client.CloseIdleConnections()
			answer, err := a.try("GET", "/app/runtime", nil)
			return err == nil && answer.StatusCode == want
		}
	}
	eventually(t, "applications are not there", status(503))
	assert.Equal(t, "a file", a.whole(t, "/static/page").body)
	a.install("two")
	a.signal(apacheGraceful)
	eventually(t, "they are there again", status(200))
}

func TestApache_FailedStartIsToldAndAnswered(t *testing.T) {
	for _, how := range []string{"error", "panic"} {
		a := apacheConf{main: "PillionEnv BEHAVE_START " + how, allowed: []string{`.`}}.start(t)
		assert.Equal(t, 503, a.get(t, "/facts/x").StatusCode)
		a.awaitLog(t, "to order")
		a.awaitLog(t, "starting")
		a.awaitLog(t, "cannot answer")
	}
}

func TestApache_SingleProcessServes(t *testing.T) {
	a, binary := apacheConf{}.prepare(t)
	addr := fmt.Sprintf("127.0.0.1:%d", a.port)
	a.server = newServer("apache", "http://"+addr, dialTCP(addr), func() string { return a.read("error.log") })
	cmd := exec.Command(binary, "-X", "-f", a.path("httpd.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Signal(apacheStop)
	eventually(t, "httpd answers", func() bool {
		answer, err := a.try("GET", "/facts/x", nil)
		return err == nil && answer.StatusCode == 200
	})
	assert.Equal(t, cmd.Process.Pid, a.runtime(t, "").Pid)
}

func TestApache_ApplicationsMayRunPrograms(t *testing.T) {
	for _, mpm := range []string{"event", "prefork"} {
		a := apacheConf{mpm: mpm}.start(t)
		assert.Equal(t, "child says hello\n", a.whole(t, "/exec").body)
	}
}

func TestApache_DescriptorsStayConstant(t *testing.T) {
	a := apacheConf{}.start(t)
	returnsToBaseline(t, a.server)
	once := a.once()
	path := a.path("apps/file")
	require.NoError(t, os.WriteFile(path, make([]byte, 300000), 0o644))
	request := func(i int) {
		switch i % 5 {
		case 0:
			w := a.wire(t, "GET /facts/x HTTP/1.1\nHost: h\nConnection: close\n\n")
			w.answer("GET")
			w.Close()
		case 1:
			a.get(t, "/panic?n=10&flush=1")
		case 2:
			assert.NoError(t, once.uploadUnread())
		case 3:
			w := a.wire(t, "GET /bytes?n=1000000&seed=d HTTP/1.1\nHost: h\n\n")
			w.response("GET")
			w.Close()
		case 4:
			a.get(t, "/file?path="+path)
		}
	}
	for i := range 200 {
		request(i)
	}
	a.client.CloseIdleConnections()
	before := a.runtime(t, "gc=1")
	for i := range 1000 {
		request(i)
	}
	eventually(t, "as many descriptors and as much memory as before", func() bool {
		a.client.CloseIdleConnections()
		now := a.runtime(t, "gc=1")
		return now.Files <= before.Files && now.RSS-before.RSS < 24<<20
	})
}

func TestApache_BuildScriptRefusesWhatIsNoApxs(t *testing.T) {
	out, err := exec.Command("../examples/apache/build.sh", filepath.Join(tempDir(t, "build"), "out"), t.TempDir()).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "is not httpd's apxs")
}
