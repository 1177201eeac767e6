// Children of httpd that cannot start the library.

package test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A child that does not get what the library needs says so in a sentence,
// answers 503 for applications and serves all else, until the next restart.
func TestApache_ChildWithoutWhatItNeedsSaysSoAndServesAllElse(t *testing.T) {
	if sanitizing() {
		missing(t, "the C library's functions: the sanitizer has its own")
	}
	for _, c := range []struct {
		name string
		kind int64
		says []string
	}{
		{"library", libraryLoad, []string{"PILLION-5105: the library cannot be used: PILLION-3009", "/no/such/library.so"}},
		{"descriptor", eventDescriptor, []string{"PILLION-5101: starting", "(24)Too many open files"}},
		{"thread", threadStart, []string{"PILLION-5105: the library cannot be used: PILLION-3012", "it needs threads", "Resource temporarily unavailable"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			page, env := newFaults(t)
			a := apacheConf{env: env, allowed: []string{`\[pillion:crit\]`}, host: `
				PillionScriptAlias /app behave
				Alias /static @dir@/apps
				<Directory @dir@/apps>
				  Require all granted
				</Directory>`}.start(t)
			require.NoError(t, os.WriteFile(a.path("apps/page"), []byte("a file"), 0o644))
			assert.Equal(t, 200, a.get(t, "/app/facts/x").StatusCode)
			a.client.CloseIdleConnections()
			page.failNth(c.kind, 1, false) // not httpd's own threads after it
			first := a.childrenAre(1)[0]
			require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
			eventually(t, "another child", func() bool { return !running(first) && len(a.children()) == 1 })
			second := a.children()[0]
			for range 5 {
				assert.Equal(t, 503, a.get(t, "/app/facts/x").StatusCode)
				assert.Equal(t, "a file", a.whole(t, "/static/page").body)
			}
			for _, text := range append(c.says, "PILLION-5206: application \"behave\" cannot answer", "was logged then, request: \"GET ") {
				assert.Contains(t, a.log(), text)
			}
			assert.Equal(t, []int{second}, a.children(), "it stays")

			// What was missing is there again: a restart is enough.
			assert.True(t, page.end(), page.String())
			a.signal(apacheGraceful)
			eventually(t, "the application answers", func() bool {
				a.client.CloseIdleConnections()
				answer, err := a.try("GET", "/app/facts/x", nil)
				return err == nil && answer.StatusCode == 200
			})
		})
	}
}

// The first request makes what all of a child share.
func TestApache_FirstRequestWithoutADescriptorIs503(t *testing.T) {
	if sanitizing() {
		missing(t, "the C library's functions: the sanitizer has its own")
	}
	t.Parallel()
	page, env := newFaults(t)
	a := apacheConf{env: env}.start(t)
	a.awaitLog(t, "PILLION-5102")
	page.everywhere.Store(1)
	page.failNth(eventDescriptor, 1, false)
	assert.Equal(t, 503, a.get(t, "/facts/x").StatusCode)
	assert.True(t, page.end(), page.String())
	assert.Contains(t, a.log(), "PILLION-5208: application \"behave\" cannot answer")
	assert.Equal(t, 200, a.get(t, "/facts/x").StatusCode)
	unharmed(t, a.server)
}
