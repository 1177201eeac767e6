package host

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

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
