// How often the garbage collector runs.

package host

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// collected runs the collector, and waits until what follows a collection has
// had its turn.
func collected(t *testing.T) {
	t.Helper()
	for range 2 {
		done := make(chan struct{})
		runtime.AddCleanup(new([2]uintptr), func(done chan struct{}) { close(done) }, done)
		runtime.GC()
		wait(t, done, "a collection")
	}
}

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 200}, {1, 200}, {1 << 20, 200}, {4 << 20, 200}, {5 << 20, 150}, {6 << 20, 125}, {7 << 20, 100},
		{8 << 20, 100}, {100 << 20, 100}, {1 << 40, 100},
	} {
		assert.Equal(t, c.want, percentFor(c.live), c.live)
	}
}

var ballast []byte

func TestCollector_GivesOnlySmallHeapsRoom(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for _, c := range []struct {
		text      string
		now, want int
	}{{"100", 100, 100}, {"60", 100, 60}, {"off", 100, -1}, {"rubbish", 100, 100}, {"", 100, 100}, {"60", 300, 300}} {
		debug.SetGCPercent(c.now)
		t.Setenv("GOGC", c.text)
		new(collector).keepRoom()
		assert.Equal(t, c.want, gogc(), "GOGC=%s and %d before", c.text, c.now)
	}
	debug.SetGCPercent(100)

	require.NoError(t, os.Unsetenv("GOGC"))
	ballast = make([]byte, 32<<20)
	collected(t)
	new(collector).keepRoom()
	collected(t)
	assert.Equal(t, 100, gogc(), "a large heap")
	ballast = nil
	becomes(t, func(percent int) bool { return percent > 100 && percent <= 200 }, "a small one")
	ballast = make([]byte, 32<<20)
	becomes(t, func(percent int) bool { return percent == 100 }, "a large one again")
	ballast = nil

	debug.SetGCPercent(70)
	for range 3 {
		collected(t)
	}
	assert.Equal(t, 70, gogc(), "as the application has set it")
}

func becomes(t *testing.T, right func(percent int) bool, what string) {
	t.Helper()
	for end := time.Now().Add(patience); !right(gogc()); collected(t) {
		require.True(t, time.Now().Before(end), "GOGC is %d for %s", gogc(), what)
	}
}
