// nginx: built module, generated configuration, start, stop, and what must
// hold afterwards.

package test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

func nginxBinary() string {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	if _, err := os.Stat("/usr/sbin/nginx"); err == nil {
		return "/usr/sbin/nginx"
	}
	return ""
}

// nginxBuild returns the nginx to run and the module that goes with it.
func nginxBuild(t *testing.T) (nginx, module string) {
	t.Helper()
	if sanitizing() {
		dir := buildCached(t, "nginx-sanitized", []string{"../examples/nginx", "../include", "sanitized-nginx.sh"},
			nil, "./sanitized-nginx.sh", sanitizers)
		return filepath.Join(dir, "nginx"), filepath.Join(dir, "ngx_http_pillion_module.so")
	}
	if nginxBinary() == "" {
		missing(t, "nginx")
	}
	if _, err := os.Stat("/usr/share/nginx/src/configure"); err != nil {
		missing(t, "nginx-dev")
	}
	dir := buildCached(t, "module", []string{"../examples/nginx", "../include"}, nil, "../examples/nginx/build.sh")
	return nginxBinary(), filepath.Join(dir, "ngx_http_pillion_module.so")
}

// buildCached runs command in an environment, nil for this process's own, with a
// directory as its first argument, unless it has been run for the same sources.
func buildCached(t *testing.T, kind string, sources, env []string, command string, args ...string) string {
	t.Helper()
	return builtOnce(kind).get(t, func() (string, []byte, error) {
		dir, there, finish, err := cached(kind, sources...)
		if err != nil || there {
			return dir, nil, err
		}
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return dir, nil, err
		}
		tmp, err := os.MkdirTemp(filepath.Dir(dir), "new-")
		if err != nil {
			return dir, nil, err
		}
		defer os.RemoveAll(tmp)
		os.Chmod(tmp, 0o755)
		cmd := exec.Command(command, append([]string{tmp}, args...)...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err == nil {
			err = finish(tmp)
		}
		return dir, out, err
	})
}

// conf is an nginx configuration: what a test adds to the ordinary one. In it
// @dir@ stands for the directory that all of it lies in.
type conf struct {
	workers string // 1 if it is empty
	main    string // outside of all blocks
	http    string // in http {}
	server  string // in server {}; all goes to "behave" if it is empty
	servers string // in http {}, after that server
	last    string // outside of all blocks, after them
	library string // "" for a copy of the test library, "none" for no pillion_library
	listen  string // more parameters of listen
	level   string // of the error log, info if it is empty

	workerConnections int      // 8192 if it is 0
	env               []string // of the master

	allowed []string // regular expressions of alerts that are to be expected
}

// nginx is a running nginx.
type nginx struct {
	*server
	t      *testing.T
	dir    string
	port   int
	master *exec.Cmd
	exited chan struct{}
	conf   conf
}

// everything routes as the C servers do.
const everything = `
    location / { pillion_pass behave; }
    location /mounted/ { pillion_pass behave; pillion_script_name /mounted; }
    location /other { pillion_pass other; }
`

// text is the configuration for nginx.
func (c *conf) text(t *testing.T, module, dir string, port int) string {
	server := c.server
	if server == "" {
		server = everything
	}
	workers := c.workers
	if workers == "" {
		workers = "1"
	}
	library := ""
	if c.library != "none" {
		library = "pillion_library " + filepath.Join(dir, "app.so") + ";"
	}
	env := ""
	if c.library != "none" && formOf(t) != "" {
		env = "pillion_env " + formEnv(t)[0] + ";"
	}
	level := c.level
	if level == "" {
		level = "info"
	}
	text := `
load_module @module@;
daemon off;
worker_processes @workers@;
error_log @dir@/error.log @level@;
pid @dir@/nginx.pid;
@main@
events { worker_connections @connections@; }
http {
  access_log @dir@/access.log;
  client_body_temp_path @dir@/temp-body;
  proxy_temp_path @dir@/temp-proxy;
  fastcgi_temp_path @dir@/temp-fastcgi;
  uwsgi_temp_path @dir@/temp-uwsgi;
  scgi_temp_path @dir@/temp-scgi;
  client_max_body_size 0;
  @library@
  @env@
  @http@
  server {
    listen 127.0.0.1:@port@ sndbuf=128k rcvbuf=128k @listen@;
    @server@
  }
  @servers@
}
@last@
`
	text = strings.NewReplacer("@main@", c.main, "@http@", c.http, "@server@", server, "@servers@", c.servers, "@last@", c.last).Replace(text)
	return strings.NewReplacer("@module@", module, "@workers@", workers, "@level@", level, "@library@", library, "@env@", env,
		"@listen@", c.listen, "@dir@", dir, "@port@", strconv.Itoa(port), "@connections@", strconv.Itoa(cmp.Or(c.workerConnections, 8192))).Replace(text)
}

// prepare writes the configuration.
func (c conf) prepare(t *testing.T) (*nginx, string) {
	t.Helper()
	binary, module := nginxBuild(t)
	n := &nginx{t: t, dir: tempDir(t, "nginx"), port: freePort(t), conf: c}
	require.NoError(t, os.Mkdir(n.path("apps"), 0o777))
	require.NoError(t, os.Chmod(n.path("apps"), 0o777)) // for files that applications write
	switch c.library {
	case "none":
	case "":
		copyFile(t, library(t, "one"), n.path("app.so"))
	default:
		copyFile(t, c.library, n.path("app.so"))
	}
	n.write(c.text(t, module, n.dir, n.port))
	return n, binary
}

func (n *nginx) path(name string) string { return filepath.Join(n.dir, name) }

func (n *nginx) write(text string) {
	n.t.Helper()
	require.NoError(n.t, os.WriteFile(n.path("nginx.conf"), []byte(text), 0o644))
}

// command is nginx with its ordinary arguments, and with those.
func (n *nginx) command(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, append([]string{"-p", n.dir, "-e", n.path("error.log"), "-c", n.path("nginx.conf")}, args...)...)
	cmd.Env = slices.Concat(os.Environ(), sanitizerEnv, raceEnv(n.t))
	return cmd
}

// check runs nginx -t and returns what it says.
func (c conf) check(t *testing.T) (string, error) {
	t.Helper()
	n, binary := c.prepare(t)
	cmd := n.command(binary, "-t")
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// start starts nginx. At the end of the test it stops, having asserted that
// nothing is left and that its log holds no alerts.
func (c conf) start(t *testing.T) *nginx {
	t.Helper()
	n, binary := c.prepare(t)
	addr := "127.0.0.1:" + strconv.Itoa(n.port)
	n.server = newServer("nginx", "http://"+addr, dialTCP(addr), func() string { return n.read("error.log") })

	cmd := n.command(binary)
	cmd.Env = append(cmd.Env, c.env...)
	stderr, err := os.Create(n.path("stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stderr, stderr
	require.NoError(t, cmd.Start())
	n.master, n.exited = cmd, make(chan struct{})
	go func() { cmd.Wait(); close(n.exited) }()
	t.Cleanup(n.stop)

	awaitListening(t, "nginx", addr, n.exited, func() string { return n.read("stderr") + n.read("error.log") })
	return n
}

func (n *nginx) read(name string) string {
	b, _ := os.ReadFile(n.path(name))
	return string(b)
}

// signal tells the master what nginx -s would.
func (n *nginx) signal(sig syscall.Signal) {
	n.t.Helper()
	require.NoError(n.t, n.master.Process.Signal(sig))
}

var grave = regexp.MustCompile(`(?m)^.*\[(alert|emerg|crit)\].*$`)

func (n *nginx) stop() {
	t := n.t
	n.client.CloseIdleConnections()
	n.master.Process.Signal(syscall.SIGQUIT)
	select {
	case <-n.exited:
	case <-time.After(patience):
		for _, pid := range n.children() {
			syscall.Kill(pid, syscall.SIGABRT) // for Go's stacks
			syscall.Kill(pid, syscall.SIGKILL)
		}
		n.master.Process.Kill()
		<-n.exited
		assert.Fail(t, "nginx did not quit", tail(n.log()+n.read("stderr")))
	}
	for _, line := range grave.FindAllString(n.log(), -1) {
		if strings.Contains(line, "a file of the application") {
			continue // that somebody cuts while it is sent
		}
		if !slices.ContainsFunc(n.conf.allowed, func(re string) bool { return regexp.MustCompile(re).MatchString(line) }) {
			assert.Fail(t, "in error.log: "+line)
		}
	}
	said := n.log() + n.read("stderr")
	assertNot(t, insane, said)
	if len(n.conf.allowed) == 0 {
		assertNot(t, gaveUp, said)
	}
	if t.Failed() {
		t.Logf("error.log of %s:\n%s", n.dir, tail(n.log()))
	}
}

// children are the pids of nginx's processes but the master.
func (n *nginx) children() []int { return childrenOf(n.master.Process.Pid) }

// childrenOf are the pids of the processes that a process has started and that
// have not been waited for.
func childrenOf(pid int) []int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		if p, err := strconv.Atoi(f); err == nil {
			pids = append(pids, p)
		}
	}
	return pids
}

// workers waits until nginx has that many processes but the master.
func (n *nginx) workers(want int) (pids []int) {
	n.t.Helper()
	eventually(n.t, "workers", func() bool { pids = n.children(); return len(pids) == want })
	return pids
}

func running(pid int) bool { return syscall.Kill(pid, 0) == nil }

// returnsToBaseline notes what the process holds, after a first request, and
// asserts at the end of the test, before the server stops, that it holds no
// more: no goroutine, no descriptor, no request, no body bytes.
func returnsToBaseline(t *testing.T, s *server) {
	t.Helper()
	for range 3 {
		s.runtime(t, "")
	}
	s.do(t, "POST", "/echo", strings.NewReader("warm"))
	s.client.CloseIdleConnections()
	before := s.runtime(t, "gc=1")
	t.Cleanup(func() {
		var now behave.Runtime
		// What asks is itself a request, with its body block and goroutine: who
		// asks too often keeps those that wait for requests.
		for end, pause := time.Now().Add(patience), 20*time.Millisecond; ; time.Sleep(pause) {
			pause = min(2*pause, 3*time.Second)
			s.client.CloseIdleConnections()
			if _, err := s.try("GET", "/runtime", nil); err != nil {
				assert.NoError(t, err)
				return
			}
			now = s.runtime(t, "gc=1")
			if now.Goroutines <= before.Goroutines && now.Files <= before.Files && now.Running <= 1 &&
				(now.Counts == nil || now.Counts.Requests <= 1 && now.Counts.Responses == 0 &&
					now.Counts.Buffered <= before.Counts.Buffered+1024) {
				return
			}
			if time.Now().After(end) {
				stacks, _ := s.try("GET", "/stacks", nil)
				assert.Fail(t, "something is left", "before: %+v %+v\nnow: %+v %+v\n%s", before, before.Counts, now, now.Counts, stacks.body)
				return
			}
		}
	})
}

// startNginx is nginx as the behaviour table sees it.
func startNginx(t *testing.T) *server { return conf{}.start(t).server }

// startNginxBuffering is nginx that reads the whole request body first.
func startNginxBuffering(t *testing.T) *server {
	s := conf{http: "pillion_request_buffering on; client_body_buffer_size 64k;"}.start(t).server
	s.name = "nginx-buffering"
	return s
}

// startNginxHTTP2 is nginx by HTTP/2, without TLS.
func startNginxHTTP2(t *testing.T) *server {
	s := conf{listen: "http2"}.start(t).server
	s.name = "nginx-http2"
	return overHTTP2(s)
}
