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
// worker, and nginx does not start others in its place for ever.
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
			n := conf{workers: "2", env: env, allowed: []string{`.`}}.start(t)
			first := n.pids(t, 2)
			page.failNth(c.kind, 1, true)
			for pid := range first {
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			}
			gaveUp := func() int { return strings.Count(n.log(), "this worker cannot serve and exits") }
			eventually(t, "both have given up", func() bool { return gaveUp() == 2 && len(n.children()) == 0 })
			for _, text := range c.says {
				assert.Contains(t, n.log(), text)
			}
			eventually(t, "nginx starts no others", func() bool {
				return strings.Count(n.log(), "exited with fatal code 2 and cannot be respawned") == 2
			})
			assert.Equal(t, 2, gaveUp())

			// What was missing is there again: a reload is enough.
			page.end()
			n.signal(syscall.SIGHUP)
			assert.Len(t, n.pids(t, 2), 2)
		})
	}
}
