// Apache httpd with the event MPM: its configurations.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pillion/bench/app"
)

// apacheConf is what one contender adds to Apache's common configuration.
type apacheConf struct {
	text    string
	backend bool // it needs net/http on a unix socket
}

// Two processes for Python's sake, which runs one thread of each at a time.
const apacheCommon = `
ServerRoot @dir@
ServerName localhost
PidFile @dir@/apache.pid
DefaultRuntimeDir @dir@
Mutex fcntl:@dir@
Listen @address@
ErrorLog @dir@/error.log
LogLevel warn
ListenBacklog 4096
LoadModule mpm_event_module @modules@/mod_mpm_event.so
LoadModule authz_core_module @modules@/mod_authz_core.so
LoadModule env_module @modules@/mod_env.so
@user@
StartServers 2
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
AsyncRequestWorkerFactor 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 300
DocumentRoot @documents@
EnableSendfile On
<Directory />
    AllowOverride None
    Options +ExecCGI +FollowSymLinks
    Require all granted
</Directory>
@text@
`

var (
	apacheStatic = apacheConf{text: `
<Directory @documents@>
    ForceType text/plain
</Directory>`}

	apachePillion = apacheConf{text: `
LoadModule pillion_module @pillion@
PillionLibrary @library@
PillionScriptAlias / bench`}

	apacheProxy = apacheConf{backend: true, text: `
LoadModule proxy_module @modules@/mod_proxy.so
LoadModule proxy_http_module @modules@/mod_proxy_http.so
ProxyPass "/" "unix:@backend@|http://localhost/" enablereuse=on
`}

	apacheEmbedded = apacheConf{text: `
LoadModule wsgi_module @modules@/mod_wsgi.so
WSGIScriptAlias / @dir@/app.wsgi`}

	apacheDaemon = apacheConf{text: `
LoadModule wsgi_module @modules@/mod_wsgi.so
WSGISocketPrefix @dir@/wsgi
WSGIDaemonProcess bench processes=2 threads=32
WSGIScriptAlias / @dir@/app.wsgi process-group=bench application-group=%{GLOBAL}`}

	apacheCGI = apacheConf{text: `
LoadModule cgid_module @modules@/mod_cgid.so
LoadModule alias_module @modules@/mod_alias.so
ScriptSock @dir@/cgid
ScriptAlias / @cgi@/`}
)

const wsgiScript = `
BODY = b%q

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", %q), ("Content-Length", str(len(BODY)))])
    return [BODY]
`

// start starts an Apache, and the backend it needs.
func (c apacheConf) start(ctx context.Context, k *kit, t *target) (err error) {
	if t.address, err = freeAddress(); err != nil {
		return err
	}
	backend := filepath.Join(t.dir, "backend.sock")
	if c.backend {
		if err := startBackend(ctx, k, t, "unix", backend); err != nil {
			return err
		}
	}
	script := fmt.Sprintf(wsgiScript, app.Hello, app.ContentType)
	if err := os.WriteFile(filepath.Join(t.dir, "app.wsgi"), []byte(script), 0o644); err != nil {
		return err
	}
	// The program is a CGI script under the name of what it answers.
	scripts := filepath.Join(t.dir, "cgi")
	if err := os.Mkdir(scripts, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(k.backend, filepath.Join(scripts, "hello")); err != nil {
		return err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "User www-data\nGroup www-data"
	}
	conf := filepath.Join(t.dir, "apache.conf")
	text := strings.ReplaceAll(apacheCommon, "@text@", c.text)
	text = strings.NewReplacer("@dir@", t.dir, "@address@", t.address, "@modules@", apacheModules, "@user@", user,
		"@documents@", k.documents(), "@pillion@", k.apachePillion(), "@library@", k.library,
		"@backend@", backend, "@cgi@", scripts).Replace(text)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := start(t.dir, nil, apache, "-f", conf, "-DFOREGROUND")
	if err != nil {
		return err
	}
	t.processes = append([]*process{p}, t.processes...)
	return p.ready(ctx, "tcp", t.address)
}
