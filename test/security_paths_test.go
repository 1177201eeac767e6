// Paths that confuse: what a handler sees of them is what it sees in net/http's
// own server with the same mux, whatever the server has made of them to choose
// the location.

package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"pillion/test/behave"
)

// pathsBelow are what follows a location's or a mount's prefix.
var pathsBelow = []string{
	"x", "a%2Fb", "a%2fb", "..", "../facts/x", "%2e%2e/facts/x", "%2E%2E%2Ffacts/x", "./x", "a/./b", "a//b", "//b",
	"a/..;/b", "a;/../b", `a\b`, "a%5cb", `..\b`, "..%5C..%5cb", "a%ffb", "\xff\xfe", "%c0%ae%c0%ae/b", "%e0%80%af", "%252e%252e/b",
	"a%0d%0ab", "a%09b", "a%20b", "a+b", "a?b/../c", "a?%2e%2e/x", "%3Fa", "%23a", strings.Repeat("a/../", 200) + "b",
	"%u002e%u002e/x", "a%zz", "a%2", // no URIs
	"a%00b", "%00", // what both servers refuse
	"../closed/x", "%2e%2e/closed/x", "a/../../closed/x", // what their configuration refuses
}

// seenPath is what becomes of a target: the path that the handler sees, or that
// none is called.
func seenPath(t *testing.T, s *server, target string) string {
	t.Helper()
	w := s.wire(t, "GET "+target+" HTTP/1.1\nHost: h\nConnection: close\n\n")
	a := w.answer("GET")
	if a.StatusCode != 200 {
		return fmt.Sprintf("refused: %dxx", a.StatusCode/100)
	}
	var f behave.Facts
	a.into(t, &f)
	assert.EqualValues(t, target, f.URI, "%s: the target is told as it was sent", s.name)
	return fmt.Sprintf("%q %q ?%q", f.Path, f.RawPath, f.Query)
}

func TestSecurity_HandlersSeeThePathsThatNetHTTPShowsThem(t *testing.T) {
	plain := func(h http.Handler) *server {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return newServer("net/http", srv.URL, dialTCP(strings.TrimPrefix(srv.URL, "http://")), nil)
	}
	// What location / and location /mounted/ are to a handler.
	model := map[string]*server{
		"/facts/":         plain(behave.Handler()),
		"/mounted/facts/": plain(http.StripPrefix("/mounted", behave.Handler())),
	}
	for _, s := range []*server{
		conf{server: closedNginx}.start(t).server,
		apacheConf{host: closedApache}.start(t).server,
	} {
		for prefix, own := range model {
			for _, below := range pathsBelow {
				target := prefix + below
				want := seenPath(t, own, target)
				if strings.Contains(below, "%00") || prefix == "/facts/" && strings.Contains(below, "closed") {
					want = "refused: 4xx"
				}
				assert.Equal(t, want, seenPath(t, s, target), "%s: %q", s.name, target)
			}
		}
	}
}

// The server chooses by the path it has made of the target, so that no spelling
// of a prefix gets around it...
func TestSecurity_NoSpellingOfAPrefixGetsAroundTheServersRules(t *testing.T) {
	for _, s := range []*server{
		conf{server: closedNginx}.start(t).server,
		apacheConf{host: closedApache}.start(t).server,
	} {
		for _, target := range []string{
			"/closed/x", "/%63losed/x", "/clos%65d%2Fx", "//closed/x", "/./closed/x", "/x/../closed/x", "/x/%2e%2e/closed/x", "/closed//x",
			"/closed/./x", "/closed/x/../y", "/x/..%2fclosed/x", "/closed/..;/x", "/mounted/../closed/x",
		} {
			assert.Equal(t, "refused: 4xx", seenPath(t, s, target), "%s: %s", s.name, target)
		}
		// ... but the handler behind another location may see what looks like it.
		assert.Equal(t, `"/closed/../facts/x" "/closed/%2e%2e/facts/x" ?""`, seenPath(t, s, "/closed/%2e%2e/facts/x"), s.name)
	}
}
