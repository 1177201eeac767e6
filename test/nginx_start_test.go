// Workers that cannot start.

package test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a worker needs and does not get is told in a sentence, once for each
// worker, and nginx does not start others in its place for ever. A worker leaves
// what it cannot do to those that can; where there are none it serves the rest.
func TestNginx_WorkerWithoutWhatItNeedsSaysSoAndIsNotRepeated(t *testing.T) {
	if sanitizing() {
		missing(t, "the C library's functions: the sanitizer has its own")
	}
	for _, c := range []struct {
		name string
		kind int64
		says []string
	}{
		{"library", libraryLoad, []string{"cannot load", "/no/such/library.so"}},
		{"descriptor", eventDescriptor, []string{"starting", "(24: Too many open files)"}},
		{"thread", threadStart, []string{"it needs threads", "Resource temporarily unavailable", "raise the limit of processes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			page, env := newFaults(t)
			n := conf{workers: "2", env: env, server: everything + "location /static { return 200 fine; }", allowed: []string{`.`}}.start(t)
			n.pids(t, 2)
			both := n.workers(2)
			page.failNth(c.kind, 1, true)
			require.NoError(t, syscall.Kill(both[0], syscall.SIGKILL))
			n.awaitLog(t, "PILLION-4102: this worker cannot serve and exits")
			n.awaitLog(t, "exited with fatal code 2 and cannot be respawned")
			for _, text := range c.says {
				assert.Contains(t, n.log(), text)
			}
			assert.Equal(t, both[1:], n.workers(1))
			assert.Equal(t, 200, n.once().get(t, "/facts/x").StatusCode)

			require.NoError(t, syscall.Kill(both[1], syscall.SIGKILL))
			n.awaitLog(t, "PILLION-4183: this worker cannot serve applications")
			last := n.workers(1)
			assert.Equal(t, 503, n.once().get(t, "/facts/x").StatusCode)
			assert.Equal(t, "fine", n.once().whole(t, "/static").body)
			assert.Equal(t, last, n.workers(1))
			assert.Equal(t, 1, strings.Count(n.log(), "PILLION-4102"))
			assert.Equal(t, 1, strings.Count(n.log(), "PILLION-4183"))

			// What was missing is there again: a reload is enough.
			page.end()
			n.signal(syscall.SIGHUP)
			assert.Len(t, n.pids(t, 2), 2)
		})
	}
}
