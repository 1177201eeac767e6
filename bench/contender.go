// The contenders, and what they are started from.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pillion/bench/app"
)

// A contender is a way to answer requests.
type contender struct {
	name  string // in rows and ratios
	title string // in tables
	start func(ctx context.Context, k *kit, t *target) error
	needs func(k *kit) []string // paths of what it is made of

	// files is how many descriptors a request in flight takes in one process.
	files int
}

// target is a contender that runs.
type target struct {
	dir       string
	address   string // of HTTP/1.1
	address2  string // of HTTP/2 without TLS, "" if there is none
	processes []*process
}

// stop ends the processes, the front first.
func (t *target) stop() {
	for _, p := range t.processes {
		p.stop()
	}
}

// kit is what contenders are built from.
type kit struct {
	dir     string // for all that is made
	file    string // the large file, /file of the documents
	library string // the application for Pillion, @library@ in configurations
	backend string // the application on its own
	modules string // where the server modules of Pillion were built
	files   int    // that a process may open

	// For the scenario that is run.
	connections int    // of an nginx worker
	pillion     string // more directives for Pillion in nginx
}

const (
	fileSize = 256 << 20
	fileName = "file"
)

var (
	nginxLua    = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
	nginxNdk    = "/usr/lib/nginx/modules/ndk_http_module.so"
	nginxBinary = "/usr/sbin/nginx"
	apache      = "/usr/sbin/apache2"
	apacheWSGI  = apacheModules + "/mod_wsgi.so"
)

const apacheModules = "/usr/lib/apache2/modules"

func (k *kit) documents() string     { return filepath.Join(k.dir, "documents") }
func (k *kit) nginxPillion() string  { return filepath.Join(k.modules, "ngx_http_pillion_module.so") }
func (k *kit) apachePillion() string { return filepath.Join(k.modules, "mod_pillion.so") }

// contenders are all there are, each side's floor first.
var contenders = []contender{
	{"nginx_return", "nginx return 200", nginxReturn.start, nil, 1},
	{"nginx_static", "nginx static file", nginxStatic.start, nil, 1},
	{"nginx_pillion", "Pillion in nginx", nginxPillion.start, func(k *kit) []string { return []string{k.nginxPillion()} }, 1},
	{"nethttp", "Go net/http alone", startNetHTTP, nil, 1},
	{"nginx_proxy_unix", "nginx proxy_pass, unix socket", nginxProxyUnix.start, nil, 2},
	{"nginx_proxy_tcp", "nginx proxy_pass, TCP", nginxProxyTCP.start, nil, 2},
	{"nginx_fastcgi", "nginx fastcgi_pass, net/http/fcgi", nginxFastCGI.start, nil, 2},
	{"nginx_lua", "nginx content_by_lua", nginxScript.start, func(*kit) []string { return []string{nginxLua, nginxNdk} }, 1},
	{"apache_static", "Apache static file", apacheStatic.start, apacheAlone, 1},
	{"apache_pillion", "Pillion in Apache", apachePillion.start, func(k *kit) []string { return []string{apache, k.apachePillion()} }, 1},
	{"apache_proxy_unix", "Apache mod_proxy_http, unix socket", apacheProxy.start, apacheAlone, 2},
	{"apache_wsgi_embedded", "Apache mod_wsgi, embedded", apacheEmbedded.start, apacheWithWSGI, 1},
	{"apache_wsgi_daemon", "Apache mod_wsgi, daemon", apacheDaemon.start, apacheWithWSGI, 1},
	{"apache_cgid", "Apache mod_cgid, net/http/cgi", apacheCGI.start, apacheAlone, 1},
}

func apacheAlone(*kit) []string    { return []string{apache} }
func apacheWithWSGI(*kit) []string { return []string{apache, apacheWSGI} }

func contenderNamed(name string) *contender {
	for i := range contenders {
		if contenders[i].name == name {
			return &contenders[i]
		}
	}
	panic("no contender is called " + name)
}

// capacity is how many requests at once the limit of open files lets it have.
func (c *contender) capacity(k *kit) int { return (k.files - spareFiles) / c.files }

// spareFiles are descriptors for everything but requests.
const spareFiles = 200

// missing says what the contender lacks, "" if nothing.
func (c *contender) missing(k *kit, connections int) string {
	if connections > c.capacity(k) {
		return fmt.Sprintf("needs %d open files, see ulimit -n", connections*c.files+spareFiles)
	}
	if c.needs == nil {
		return ""
	}
	for _, path := range c.needs(k) {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return "there is no " + path
		}
	}
	return ""
}

// launch starts the contender in a directory of its own.
func (c *contender) launch(ctx context.Context, k *kit) (*target, error) {
	dir, err := os.MkdirTemp(k.dir, c.name+"-")
	if err != nil {
		return nil, err
	}
	// Workers may be another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	t := &target{dir: dir}
	if err := c.start(ctx, k, t); err != nil {
		t.stop()
		return nil, fmt.Errorf("%s: %w", c.title, err)
	}
	return t, nil
}

// startBackend adds the application on its own to t: kind is the flag that says
// how it serves, address what it listens on, a path for a socket.
func startBackend(ctx context.Context, k *kit, t *target, kind, address string) error {
	p, err := start(t.dir, []string{app.FileVariable + "=" + k.file}, k.backend, "-"+kind, address)
	if err != nil {
		return err
	}
	t.processes = append(t.processes, p)
	network := "unix"
	if kind == "tcp" {
		network = "tcp"
	}
	return p.ready(ctx, network, address)
}

func startNetHTTP(ctx context.Context, k *kit, t *target) (err error) {
	if t.address, err = freeAddress(); err != nil {
		return err
	}
	return startBackend(ctx, k, t, "tcp", t.address)
}
