package host

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// only makes these the only applications.
func only(t *testing.T, handlers map[string]http.HandlerFunc) {
	apps.mu.Lock()
	before, order, watchers := apps.byName.Load(), apps.order, apps.watchers
	apps.byName.Store(nil)
	apps.order, apps.watchers = nil, nil
	apps.mu.Unlock()
	t.Cleanup(func() {
		apps.byName.Store(before)
		apps.order, apps.watchers = order, watchers
	})
	for name, f := range handlers {
		Handle(name, f)
	}
}

// standing runs the stand-alone server; stop ends it and returns its error.
func standing(t *testing.T, args ...string) (url string, stop func() error) {
	anew(t)
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := standAlone(ctx, append([]string{"test", "-addr", "127.0.0.1:0"}, args...), w)
		w.CloseWithError(io.EOF)
		result <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	url = strings.TrimSuffix(strings.TrimPrefix(line, "serving "), "/\n")
	return url, func() error { cancel(); return <-result }
}

func get(t *testing.T, url string) string {
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.Status[:3] + " " + string(body)
}

func where(w http.ResponseWriter, r *http.Request) {
	vars := map[string]string{}
	for _, p := range Environ(r) {
		vars[p.Name] = p.Value
	}
	io.WriteString(w, r.URL.RequestURI()+" of "+r.RequestURI+" at "+vars["SCRIPT_NAME"]+" then "+vars["PATH_INFO"]+" by "+vars["HTTP_USER_AGENT"][:2])
}

func TestMain_OneApp(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": where})
	url, stop := standing(t)
	var order atomic.Value
	order.Store("")
	OnStop(func(context.Context) error { order.Store("stopped"); return nil })
	assert.Equal(t, "200 /a%2Fb?c of /a%2Fb?c at  then /a/b by Go", get(t, url+"/a%2Fb?c"))
	http.DefaultClient.CloseIdleConnections()
	assert.NoError(t, stop())
	assert.Equal(t, "stopped", order.Load())
}

func TestMain_SeveralApps(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": where, "one/two": where, "a b": where})
	url, stop := standing(t)
	assert.Equal(t, "200 /x%2Fy?z of /one/x%2Fy?z at /one then /x/y by Go", get(t, url+"/one/x%2Fy?z"))
	assert.Equal(t, "200 / of /one/ at /one then / by Go", get(t, url+"/one"))
	assert.Equal(t, "200 /x of /one/two/x at /one/two then /x by Go", get(t, url+"/one/two/x"))
	assert.Equal(t, "200 /x of /a%20b/x at /a b then /x by Go", get(t, url+"/a%20b/x"))
	assert.Equal(t, "404 404 page not found\n", get(t, url+"/onex"))
	list := get(t, url+"/")
	assert.Contains(t, list, `<a href="/a%20b/">a b</a>`)
	assert.Contains(t, list, `<a href="/one/two/">one/two</a>`)
	http.DefaultClient.CloseIdleConnections()
	assert.NoError(t, stop())
}

func TestMain_UnderscoresInNamesAreNoDashes(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": func(w http.ResponseWriter, r *http.Request) {
		for _, p := range Environ(r) {
			if strings.HasPrefix(p.Name, "HTTP_X") {
				io.WriteString(w, p.Name+"="+p.Value+" ")
			}
		}
		io.WriteString(w, r.Header.Get("X_User"))
	}})
	url, stop := standing(t)
	r, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	r.Header = http.Header{"X_user": {"admin"}, "X-Other": {"x"}}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(t, err)
	assert.Equal(t, "HTTP_X_OTHER=x admin", string(body))
	http.DefaultClient.CloseIdleConnections()
	assert.NoError(t, stop())
}

// A client that is slow with its head, or has nothing to say, does not keep its
// connection for good.
func TestMain_ConnectionsHaveTimeLimits(t *testing.T) {
	before := headTime
	headTime = 100 * time.Millisecond
	t.Cleanup(func() { headTime = before })
	only(t, map[string]http.HandlerFunc{"one": where})
	url, stop := standing(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
	_, err = io.ReadAll(c)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	srv := newServer(nil)
	assert.Positive(t, srv.IdleTimeout)
	assert.Zero(t, srv.ReadTimeout, "a body may be long in coming, and so may a response")
	assert.Zero(t, srv.WriteTimeout)
	assert.NoError(t, stop())
}

func TestMain_GatewaysListenOnTheLoopbackUnlessTold(t *testing.T) {
	for addr, want := range map[string]string{":0": "127.0.0.1", "127.0.0.1:0": "127.0.0.1", "0.0.0.0:0": "::", "[::]:0": "::", "[::1]:0": "::1"} {
		l, err := listenAt(addr)
		if err != nil && strings.Contains(addr, "[") {
			continue // a machine without IPv6
		}
		require.NoError(t, err)
		ip := l.Addr().(*net.TCPAddr).IP
		l.Close()
		assert.Equal(t, want == "::", ip.IsUnspecified(), addr)
		assert.Equal(t, want != "::", ip.IsLoopback(), addr)
	}
}

func TestMain_ChosenApp(t *testing.T) {
	only(t, map[string]http.HandlerFunc{"one": where, "two": http.NotFound})
	url, stop := standing(t, "-app", "one")
	assert.Equal(t, "200 /two/ of /two/ at  then /two/ by Go", get(t, url+"/two/"))
	http.DefaultClient.CloseIdleConnections()
	assert.NoError(t, stop())
}

func TestMain_Failures(t *testing.T) {
	anew(t)
	ctx := context.Background()
	only(t, nil)
	assert.ErrorContains(t, standAlone(ctx, []string{"test"}, io.Discard), "no application is registered")
	only(t, map[string]http.HandlerFunc{"one": where})
	assert.ErrorContains(t, standAlone(ctx, []string{"test", "-app", "two"}, io.Discard), `no application is named "two"; there are one`)
	assert.ErrorContains(t, standAlone(ctx, []string{"test", "-addr", "nowhere.invalid:1"}, io.Discard), "host: listen")
	assert.ErrorContains(t, standAlone(ctx, []string{"test", "rest"}, io.Discard), `unknown argument "rest"`)
	assert.ErrorContains(t, standAlone(ctx, []string{"test", "-frob"}, io.Discard), "not defined: -frob")
	var usage strings.Builder
	assert.ErrorIs(t, standAlone(ctx, []string{"test", "-h"}, &usage), flag.ErrHelp)
	assert.Contains(t, usage.String(), "-addr host:port")
	captureLog(t)
	OnStart(func(context.Context) error { return io.ErrClosedPipe })
	assert.ErrorIs(t, standAlone(ctx, []string{"test", "-addr", "127.0.0.1:0"}, io.Discard), io.ErrClosedPipe)
}
