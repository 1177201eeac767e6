// The WSGI bridge beyond the behaviour table: its own tests, and when the
// library is loaded.

package test

import (
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func TestWSGI_Bridge(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		missing(t, "python3")
	}
	script, err := filepath.Abs("wsgi/bridge_test.py")
	require.NoError(t, err)
	cmd := exec.Command("python3", script)
	cmd.Dir = tempDir(t, "bridge")
	cmd.Env = append(os.Environ(), "BEHAVE_LIBRARY="+library(t, "one"), "PYTHONPATH="+example("python"), "PYTHONDONTWRITEBYTECODE=1")
	out, err := output(cmd)
	assert.NoError(t, err, "%s", out)
}

// with is the server with other arguments: each in place of the one before it.
func (w wsgiServer) with(changes ...string) wsgiServer {
	args := append([]string(nil), w.args...)
	for i := 0; i < len(changes); i += 2 {
		for j, arg := range args {
			if arg == changes[i] {
				args[j+1] = changes[i+1]
			}
		}
	}
	w.args = args
	return w
}

// without is the server without an argument.
func (w wsgiServer) without(flag string) wsgiServer {
	var args []string
	for _, arg := range w.args {
		if arg != flag {
			args = append(args, arg)
		}
	}
	w.args = args
	return w
}

// and is the server with arguments in front of the others.
func (w wsgiServer) and(args ...string) wsgiServer {
	w.args = append(args, w.args...)
	return w
}

// preforking are servers with two processes that have the WSGI module before
// their fork, where they can.
func preforking() map[string]wsgiServer {
	gunicorn := wsgiServers["gunicorn"]
	daemon := wsgiServers["mod_wsgi"]
	daemon.conf += "WSGISocketPrefix @dir@/wsgi\nWSGIDaemonProcess behave processes=2 threads=4 python-path=@dir@\nWSGIProcessGroup behave\n"
	return map[string]wsgiServer{
		"gunicorn-sync":    gunicorn.with("--worker-class", "sync", "--workers", "2", "--threads", "1").and("--preload"),
		"gunicorn-gthread": gunicorn.with("--workers", "2", "--threads", "4").and("--preload"),
		"uwsgi":            wsgiServers["uwsgi"].with("--processes", "2", "--threads", "4").without("--lazy-apps"),
		"mod_wsgi-daemon":  daemon,
	}
}

func TestWSGI_LibraryIsLoadedAfterTheFork(t *testing.T) {
	for name, w := range preforking() {
		t.Run(name, func(t *testing.T) {
			s := w.start(t, name)
			pids := map[int]bool{}
			eventually(t, "two processes have answered", func() bool {
				maps.Copy(pids, s.answering(t))
				return len(pids) == 2
			})
			assert.NotContains(t, pids, s.cmd.Process.Pid)
			a := s.do(t, "POST", "/echo", strings.NewReader("any \x00 bytes \xff"))
			require.NoError(t, a.err)
			assert.Equal(t, "any \x00 bytes \xff", a.body)
			for pid := range pids { // a new process loads it again
				syscall.Kill(pid, syscall.SIGKILL)
			}
			// Both: uWSGI forgets to stop a process that it is just starting.
			fresh := map[int]bool{}
			eventually(t, "two new processes answer", func() bool {
				maps.Copy(fresh, s.answering(t))
				maps.DeleteFunc(fresh, func(pid int, _ bool) bool { return pids[pid] })
				return len(fresh) == 2
			})
		})
	}
}

// answering are the processes that answer some requests at once, each on a
// connection of its own.
func (s *wsgi) answering(t *testing.T) map[int]bool {
	s.client.Transport.(*http.Transport).DisableKeepAlives = true
	var mu sync.Mutex
	var wg sync.WaitGroup
	pids := map[int]bool{}
	for range 8 {
		wg.Go(func() {
			a, err := s.try("GET", "/runtime", nil)
			if err != nil || a.StatusCode != 200 {
				return
			}
			var r behave.Runtime
			a.into(t, &r)
			mu.Lock()
			defer mu.Unlock()
			pids[r.Pid] = true
		})
	}
	wg.Wait()
	return pids
}

func TestWSGI_LibraryLoadedBeforeTheForkIsRefused(t *testing.T) {
	s := preforking()["gunicorn-sync"].start(t, "gunicorn", "BEHAVE_LOAD=1")
	assert.Equal(t, 500, s.get(t, "/runtime").StatusCode)
	s.awaitLog(t, "PILLION_E_FORKED: this process was forked after the load")
}

func TestWSGI_WorkerMayLoadBeforeItsFirstRequest(t *testing.T) {
	s := wsgiServers["gunicorn"].start(t, "gunicorn", "BEHAVE_POST_WORKER_INIT=1")
	eventually(t, "the worker has loaded the library", func() bool {
		children, _ := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/task/" + strconv.Itoa(s.cmd.Process.Pid) + "/children")
		for _, pid := range strings.Fields(string(children)) {
			mapped, _ := os.ReadFile("/proc/" + pid + "/maps")
			if strings.Contains(string(mapped), "libbehave.so") {
				return true
			}
		}
		return false
	})
	mapped, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/maps")
	require.NoError(t, err)
	assert.NotContains(t, string(mapped), "libbehave.so")
	s.runtime(t, "")
}

func TestWSGI_ServePyServes(t *testing.T) {
	ffis[0].have(t)
	commands := recipe(t, example("python", "serve.py"))
	runOnce(t, commands[0])
	port := strconv.Itoa(freePort(t))
	cmd := shell("exec " + strings.Replace(commands[1], " 8000", " "+port, 1))
	require.NoError(t, cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	eventually(t, "the server answers", func() bool {
		res, err := http.Get("http://127.0.0.1:" + port + "/?name=WSGI")
		if err == nil {
			res.Body.Close()
			assert.Equal(t, 200, res.StatusCode)
		}
		return err == nil
	})
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.NoError(t, cmd.Wait())
}
