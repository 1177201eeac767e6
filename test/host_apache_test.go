// Apache httpd: built module, generated configuration, start, stop, and what
// must hold afterwards.

package test

import (
	"fmt"
	"net/http"
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
)

func apacheBinary() string {
	for _, name := range []string{"apache2", "httpd", "/usr/sbin/apache2", "/usr/sbin/httpd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// apacheBuild returns the httpd to run, the module that goes with it and the
// directory of its own modules.
func apacheBuild(t *testing.T) (binary, module, modules string) {
	t.Helper()
	binary = apacheBinary()
	if binary == "" {
		missing(t, "apache2-bin")
	}
	out, err := exec.Command("apxs", "-q", "LIBEXECDIR").Output()
	if err != nil {
		missing(t, "apache2-dev")
	}
	kind, flags := "apache", os.Environ()
	if sanitizing() {
		kind = "apache-sanitized"
		flags = append(flags, "CFLAGS="+sanitizers, "LDFLAGS=-fsanitize=address,undefined")
	}
	dir := buildCached(t, kind, []string{"../examples/apache", "../include"}, flags, "../examples/apache/build.sh")
	return binary, filepath.Join(dir, "mod_pillion.so"), strings.TrimSpace(string(out))
}

// apacheEnv is httpd's environment: sanitizers have to be there before the
// module and the library that were built with them.
func apacheEnv(t *testing.T) []string {
	t.Helper()
	if !sanitizing() {
		return append(os.Environ(), raceEnv(t)...)
	}
	var libraries []string
	for _, name := range []string{"libasan.so", "libubsan.so"} {
		out, err := exec.Command(compiler(t), "-print-file-name="+name).Output()
		require.NoError(t, err)
		path, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
		require.NoError(t, err)
		libraries = append(libraries, path)
	}
	return append(append(os.Environ(), sanitizerEnv...), "LD_PRELOAD="+strings.Join(libraries, ":"))
}

// apacheConf is a configuration of httpd: what a test adds to the ordinary one.
// In it @dir@ stands for the directory that all of it lies in, @port@ for the
// port and @modules@ for the directory of httpd's modules.
type apacheConf struct {
	mpm     string   // event if it is empty
	limits  string   // of the MPM; one process with a hundred threads if it is empty
	modules []string // names beyond the ordinary
	main    string   // before the virtual host
	host    string   // in the virtual host; all goes to "behave" if it is empty
	hosts   string   // after that virtual host
	library string   // "" for a copy of the test library, "none" for no PillionLibrary
	level   string   // of the error log, info if it is empty

	env []string // of the parent

	allowed []string // regular expressions of log lines that are to be expected
}

// apache is a running httpd.
type apache struct {
	*server
	t      *testing.T
	dir    string
	port   int
	parent *exec.Cmd
	exited chan struct{}
	conf   apacheConf
}

// everyApache routes as the C servers do.
const everyApache = `
  PillionScriptAlias / behave
  PillionScriptAlias /mounted behave
  <Location "/other">
    SetHandler pillion
    PillionApp other
  </Location>
`

const apacheText = `
ServerRoot @dir@
DefaultRuntimeDir @dir@
PidFile @dir@/httpd.pid
ServerName localhost
@user@
Listen 127.0.0.1:@port@
@load@
LoadModule pillion_module @module@
@limits@
ErrorLog @dir@/error.log
LogLevel @level@
LogFormat "%>s \"%r\"" plain
CustomLog @dir@/access.log plain
SendBufferSize 131072
ReceiveBufferSize 131072
MaxKeepAliveRequests 0
KeepAliveTimeout 5
LimitRequestBody 0
PillionEnv BEHAVE_EVENTS "@events@"
PillionEnv BEHAVE_FORM "@form@"
@library@
@main@
<VirtualHost 127.0.0.1:@port@>
AllowEncodedSlashes On
@host@
</VirtualHost>
@hosts@
`

// oneProcess is enough for everything but a thousand requests at once.
const oneProcess = `
ServerLimit 1
StartServers 1
ThreadLimit 100
ThreadsPerChild 100
MaxRequestWorkers 100
MinSpareThreads 1
MaxSpareThreads 100
`

// fewProcesses is for prefork, whose processes take a request each.
const fewProcesses = `
ServerLimit 60
StartServers 24
MinSpareServers 12
MaxSpareServers 60
MaxRequestWorkers 60
`

// text is the configuration for httpd.
func (c *apacheConf) text(t *testing.T, module, modules, dir string, port int) string {
	mpm, limits, host, events := c.mpm, c.limits, c.host, ""
	if mpm == "" {
		mpm = "event"
	}
	if host == "" {
		host = everyApache
	}
	if limits == "" {
		limits = oneProcess
		if mpm == "prefork" {
			limits = fewProcesses
		}
	}
	if mpm == "prefork" {
		events = filepath.Join(dir, "apps", "events")
	}
	library := ""
	if c.library != "none" {
		library = "PillionLibrary " + filepath.Join(dir, "app.so")
	}
	level := c.level
	if level == "" {
		level = "info"
	}
	var load strings.Builder
	for _, name := range append([]string{"mpm_" + mpm, "authz_core", "alias", "log_config"}, c.modules...) {
		if name == "log_config" && strings.Contains(builtIn(), "mod_log_config.c") {
			continue
		}
		fmt.Fprintf(&load, "LoadModule %s_module %s/mod_%s.so\n", name, modules, name)
	}
	user := ""
	if os.Getuid() == 0 {
		user = "User www-data\nGroup www-data"
	}
	text := strings.NewReplacer("@main@", c.main, "@host@", host, "@hosts@", c.hosts).Replace(apacheText)
	return strings.NewReplacer("@module@", module, "@modules@", modules, "@limits@", limits, "@level@", level,
		"@library@", library, "@load@", load.String(), "@user@", user, "@events@", events, "@form@", formOf(t),
		"@dir@", dir, "@port@", strconv.Itoa(port)).Replace(text)
}

// builtIn lists the modules that httpd has without loading them.
func builtIn() string {
	out, _ := exec.Command(apacheBinary(), "-l").CombinedOutput()
	return string(out)
}

// prepare writes the configuration.
func (c apacheConf) prepare(t *testing.T) (*apache, string) {
	t.Helper()
	binary, module, modules := apacheBuild(t)
	a := &apache{t: t, dir: tempDir(t, "apache"), port: freePort(t), conf: c}
	for _, name := range []string{"apps", "apps/events"} {
		require.NoError(t, os.Mkdir(a.path(name), 0o777))
		require.NoError(t, os.Chmod(a.path(name), 0o777)) // for files that applications write
	}
	switch c.library {
	case "none":
	case "":
		copyFile(t, library(t, "one"), a.path("app.so"))
	default:
		copyFile(t, c.library, a.path("app.so"))
	}
	a.write(c.text(t, module, modules, a.dir, a.port))
	return a, binary
}

func (a *apache) path(name string) string { return filepath.Join(a.dir, name) }

func (a *apache) write(text string) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(a.path("httpd.conf"), []byte(text), 0o644))
}

// check runs httpd -t and returns what it says.
func (c apacheConf) check(t *testing.T) (string, error) {
	t.Helper()
	a, binary := c.prepare(t)
	cmd := exec.Command(binary, "-f", a.path("httpd.conf"), "-t")
	cmd.Env = apacheEnv(t)
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// start starts httpd. At the end of the test it stops, having asserted that
// nothing is left and that its log holds no alerts.
func (c apacheConf) start(t *testing.T) *apache {
	t.Helper()
	a, binary := c.prepare(t)
	addr := "127.0.0.1:" + strconv.Itoa(a.port)
	a.server = newServer("apache", "http://"+addr, dialTCP(addr), func() string { return a.read("error.log") })

	cmd := exec.Command(binary, "-DFOREGROUND", "-f", a.path("httpd.conf"))
	cmd.Env = append(apacheEnv(t), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it signals its whole group
	stderr, err := os.Create(a.path("stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stderr, stderr
	require.NoError(t, cmd.Start())
	a.parent, a.exited = cmd, make(chan struct{})
	go func() { cmd.Wait(); close(a.exited) }()
	t.Cleanup(a.stop)

	awaitListening(t, "httpd", addr, a.exited, func() string { return a.read("stderr") + a.read("error.log") })
	return a
}

func (a *apache) read(name string) string {
	b, _ := os.ReadFile(a.path(name))
	return string(b)
}

// signal tells the parent what apachectl would.
func (a *apache) signal(sig syscall.Signal) {
	a.t.Helper()
	require.NoError(a.t, a.parent.Process.Signal(sig))
}

// What apachectl calls stop, graceful and graceful-stop.
const (
	apacheStop         = syscall.SIGTERM
	apacheGraceful     = syscall.SIGUSR1
	apacheGracefulStop = syscall.SIGWINCH
)

var graveApache = regexp.MustCompile(`(?m)^.*(:(emerg|alert|crit)\]|exit signal|did not exit).*$`)

// stop stops gracefully: told to stop at once under load, the event MPM of
// httpd 2.4 may crash by itself, with or without this module.
func (a *apache) stop() {
	t := a.t
	a.client.CloseIdleConnections()
	a.parent.Process.Signal(apacheGracefulStop)
	select {
	case <-a.exited:
		if !a.parent.ProcessState.Success() && len(a.conf.allowed) == 0 {
			assert.Fail(t, "httpd has ended: "+a.parent.ProcessState.String())
		}
	case <-time.After(patience):
		for _, pid := range a.children() {
			syscall.Kill(pid, syscall.SIGABRT) // for Go's stacks
			syscall.Kill(pid, syscall.SIGKILL)
		}
		a.parent.Process.Kill()
		<-a.exited
		assert.Fail(t, "httpd did not stop", tail(a.log()+a.read("stderr")))
	}
	for _, line := range graveApache.FindAllString(a.log(), -1) {
		if !slices.ContainsFunc(a.conf.allowed, func(re string) bool { return regexp.MustCompile(re).MatchString(line) }) {
			assert.Fail(t, "in error.log: "+line)
		}
	}
	said := a.log() + a.read("stderr")
	assertNot(t, insane, said)
	if len(a.conf.allowed) == 0 {
		assertNot(t, gaveUp, said)
	}
	if t.Failed() {
		t.Logf("error.log of %s:\n%s", a.dir, tail(a.log()))
	}
}

// children are the pids of httpd's processes but the parent.
func (a *apache) children() []int { return childrenOf(a.parent.Process.Pid) }

// childrenAre waits until httpd has that many processes but the parent.
func (a *apache) childrenAre(want int) (pids []int) {
	a.t.Helper()
	eventually(a.t, "children", func() bool { pids = a.children(); return len(pids) == want })
	return pids
}

// startApache is httpd with that MPM, as the behaviour table sees it: one
// process with a thread for each of a thousand requests, or, with prefork, a
// process for each of some.
func startApache(t *testing.T, mpm string) *server {
	c := apacheConf{mpm: mpm}
	if mpm != "prefork" {
		c.limits = strings.ReplaceAll(oneProcess, "100", "1100")
	}
	s := c.start(t).server
	s.name = "apache-" + mpm
	return s
}

// startApacheHTTP2 is httpd by HTTP/2, without TLS.
func startApacheHTTP2(t *testing.T) *server {
	s := apacheConf{
		limits:  strings.ReplaceAll(oneProcess, "100", "1100"),
		modules: []string{"http2"},
		main:    "Protocols h2c http/1.1\nH2MaxWorkers 1100\nH2MinWorkers 16\nH2MaxSessionStreams 1100\nH2EarlyHints on",
	}.start(t).server
	s.name = "apache-http2"
	transport := s.client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	return s
}
