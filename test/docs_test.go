// The documentation: what it leads to is there.

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	docFence   = regexp.MustCompile("(?ms)^```.*?^```")
	notInAnUrl = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// pages are README.md and docs/*.md, without what is shown as code.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	all := map[string]string{}
	for _, path := range append(paths, "../README.md") {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		all[path] = docFence.ReplaceAllString(string(b), "")
	}
	return all
}

func TestDocs_LinksLeadSomewhere(t *testing.T) {
	anchors := map[string]bool{}
	for path, text := range pages(t) {
		for _, h := range docHeading.FindAllStringSubmatch(text, -1) {
			name := strings.ReplaceAll(notInAnUrl.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
			anchors[path+"#"+name] = true
		}
	}
	for path, text := range pages(t) {
		for _, l := range docLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			to, anchor, _ := strings.Cut(l[1], "#")
			file := path
			if to != "" {
				file = filepath.Join(filepath.Dir(path), to)
			}
			_, err := os.Stat(file)
			assert.NoError(t, err, "%s links %s", path, l[1])
			if anchor != "" {
				assert.True(t, anchors[file+"#"+anchor], "%s links %s", path, l[1])
			}
		}
	}
}

// What security.md claims it names the test of.
func TestDocs_TestsThatSecurityNamesAreThere(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", "../host/*_test.go", "../host/middleware/*_test.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			code.Write(b)
		}
	}
	b, err := os.ReadFile("../docs/security.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(b), -1)
	require.NotEmpty(t, named)
	for _, n := range named {
		assert.True(t, strings.Contains(code.String(), "func "+n[1]+"("), "docs/security.md names %s", n[1])
	}
}

// snippet is the README's code in that language, with names and places of the
// tests for its own.
func snippet(t *testing.T, language string, replace ...string) string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(b), "```"+language+"\n")
	require.True(t, found)
	text, _, found = strings.Cut(text, "```")
	require.True(t, found)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, text, replace[i])
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

func TestDocs_ReadmesNginxConfigurationIsWhole(t *testing.T) {
	n, binary := conf{}.prepare(t)
	_, module := nginxBuild(t)
	n.write("pid nginx.pid;\n" + snippet(t, "nginx", "modules/ngx_http_pillion_module.so", module,
		"/srv/app.so", n.path("app.so"), " hello;", " behave;", " api;", " other;",
		"server {", "server { listen 127.0.0.1:"+strconv.Itoa(n.port)+";", "http {\n", "http {\naccess_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"))
	out, err := n.command(binary, "-t").CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// The modules that Debian's package apache2 loads are loaded here, too.
func TestDocs_ReadmesApacheConfigurationFitsDebians(t *testing.T) {
	c := apacheConf{library: "none", modules: []string{"authn_core", "authn_file", "auth_basic", "authz_user"}}
	a, binary := c.prepare(t)
	_, module, modules := apacheBuild(t)
	copyFile(t, library(t, "one"), a.path("app.so"))
	readme := snippet(t, "apache", "/usr/lib/apache2/modules/mod_pillion.so", module,
		"/srv/app.so", a.path("app.so"), " hello\n", " behave\n", " api\n", " other\n")
	ordinary := c.text(t, module, modules, a.dir, a.port)
	a.write(strings.Replace(ordinary, "LoadModule pillion_module "+module+"\n", readme, 1))
	cmd := exec.Command(binary, "-f", a.path("httpd.conf"), "-t")
	cmd.Env = apacheEnv(t)
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestDocs_GoOfAppDoesWhatItSays(t *testing.T) {
	b, err := os.ReadFile("../docs/app.md")
	require.NoError(t, err)
	code := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		for _, has := range []string{"func status(", "func mounted("} {
			if strings.Contains(block[1], has) {
				code[has] = block[1]
			}
		}
	}
	require.Len(t, code, 2)
	dir := outsideModule(t, code["func status("]+code["func mounted("]+`
func init() {
	host.HandleFunc("shop", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fixed" {
			http.Redirect(w, r, mounted(r, "/basket"), 302)
			return
		}
		http.Redirect(w, r, r.URL.RawQuery, 302)
	})
}
`)
	command(t, dir, nil, "go", "build", "-o", "program", ".")
	ask := func(app, mount, path, query string) string {
		return command(t, dir, []string{"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_NAME=h", "SERVER_PORT=80",
			"REQUEST_METHOD=GET", "PILLION_APP=" + app, "SCRIPT_NAME=" + mount, "PATH_INFO=" + path, "QUERY_STRING=" + query}, "./program")
	}
	assert.Regexp(t, `\bpid \d+\nrunning 1\ncompleted 0\nabandoned 0\nabandoned_bytes 0\ngoroutines \d+\n`, ask("status", "", "/", ""))
	assert.Contains(t, ask("shop", "/shop", "/x", "/basket"), "Location: /basket\r\n")
	assert.Contains(t, ask("shop", "/shop", "/x", "basket"), "Location: /basket\r\n")
	assert.Contains(t, ask("shop", "/shop", "/fixed", ""), "Location: /shop/basket\r\n")
	assert.Contains(t, ask("shop", "", "/fixed", ""), "Location: /basket\r\n")
}
