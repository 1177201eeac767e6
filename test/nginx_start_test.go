// Workers that cannot start.

package test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What a worker needs and does not get is told in a sentence, once for each
// worker, and nginx does not start others in their place for ever.
func TestNginx_WorkerWithoutWhatItNeedsSaysSoAndIsNotRepeated(t *testing.T) {
	if sanitizing() {
		t.Skip("the sanitizer has its own of these functions")
	}
	for _, c := range []struct {
		name string
		kind int64
		nth  int64 // the first library is opened by the check of the configuration
		says []string
	}{
		{"library", libraryLoad, 2, []string{"/no/such/library.so"}},
		{"eventfd", eventDescriptor, 1, []string{"making a queue failed", "Too many open files"}},
		{"thread", threadStart, 1, []string{"cannot start a thread", "Resource temporarily unavailable", "limit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			page, env := newFaults(t)
			page.failNth(c.kind, c.nth, true)
			n := conf{workers: "2", env: env, allowed: []string{`.`}}.start(t)
			eventually(t, "both have given up", func() bool { return strings.Count(n.log(), "this worker cannot serve and exits") == 2 })
			for _, text := range c.says {
				assert.Contains(t, n.log(), text)
			}
			time.Sleep(500 * time.Millisecond) // no event tells that nothing happens
			assert.Equal(t, 2, strings.Count(n.log(), "this worker cannot serve and exits"), tail(n.log()))
			assert.Empty(t, n.children())
		})
	}
}
