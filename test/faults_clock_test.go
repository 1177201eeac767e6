package test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeClock is an environment in which the C library's wall clock is what set
// says; the monotonic one goes on. Go asks the kernel, for its timers always by
// the monotonic clock.
func fakeClock(t *testing.T) (env []string, set func(offset string)) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if len(found) == 0 {
		missing(t, "faketime")
	}
	file := filepath.Join(tempDir(t, "clock"), "offset")
	set = func(offset string) {
		require.NoError(t, os.WriteFile(file+".new", []byte(offset+"\n"), 0o644))
		require.NoError(t, os.Rename(file+".new", file))
	}
	set("+0")
	return []string{"LD_PRELOAD=" + found[0], "FAKETIME_TIMESTAMP_FILE=" + file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"}, set
}

func TestNginx_ClockThatJumpsEndsNoRequest(t *testing.T) {
	t.Parallel()
	env, set := fakeClock(t)
	n := conf{env: env, main: "env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE; env FAKETIME_DONT_FAKE_MONOTONIC;", server: everything + `
		location /quick/ { pillion_pass behave; pillion_script_name /quick; pillion_read_timeout 1s; }`}.start(t)
	unharmed(t, n.server)
	date := func() time.Time {
		at, err := time.Parse(time.RFC1123, n.get(t, "/facts/x").Header.Get("Date"))
		require.NoError(t, err)
		return at
	}
	for _, jump := range []string{"+3d", "-3d"} {
		finish := bystander(t, n.server) // with the ordinary timeout of a minute
		tunnel := n.tunnel(t, "how=lines")
		set(jump)
		want := 72 * time.Hour
		if strings.HasPrefix(jump, "-") {
			want = -want
		}
		eventually(t, "the server's clock jumps", func() bool { return (date().Sub(time.Now()) - want).Abs() < time.Hour })
		for range 20 {
			assert.Equal(t, 200, n.get(t, "/quick/facts/x").StatusCode)
		}
		// Deadlines and timeouts keep their length.
		key := newKey()
		deadlines := n.tunnel(t, "how=deadline&key="+key)
		_, err := io.ReadFull(deadlines.r, make([]byte, len("ask")))
		require.NoError(t, err)
		deadlines.send("answer")
		assert.Equal(t, "<nil>", n.await(t, key+"/out"))
		deadlines.Close()
		begin := time.Now()
		assert.Equal(t, 504, n.get(t, "/quick/hold?key="+newKey()).StatusCode)
		assert.GreaterOrEqual(t, time.Since(begin), 900*time.Millisecond)
		tunnel.says("still here")
		tunnel.Close()
		finish()
		set("+0")
		eventually(t, "the clock is right again", func() bool { return date().Sub(time.Now()).Abs() < time.Hour })
	}
}
