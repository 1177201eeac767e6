package test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
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

// clockHosts serve below /quick/ with a timeout of two seconds.
var clockHosts = []struct {
	name  string
	start func(t *testing.T, env []string) *server
}{
	{"nginx", func(t *testing.T, env []string) *server {
		return conf{env: env, main: "env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE; env FAKETIME_DONT_FAKE_MONOTONIC;", server: everything + `
			location /quick/ { pillion_pass behave; pillion_script_name /quick; pillion_read_timeout 2s; }`}.start(t).server
	}},
	{"apache", func(t *testing.T, env []string) *server {
		return apacheConf{env: env, host: everyApache + `
			PillionScriptAlias /quick behave
			<Location "/quick">
			  PillionReadTimeout 2
			</Location>`}.start(t).server
	}},
}

func TestFaults_ClockThatJumpsEndsNoRequest(t *testing.T) {
	for _, h := range clockHosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			env, set := fakeClock(t)
			s := h.start(t, env)
			unharmed(t, s)
			date := func() time.Time {
				at, err := time.Parse(time.RFC1123, s.get(t, "/facts/x").Header.Get("Date"))
				require.NoError(t, err)
				return at
			}
			for jump, want := range map[string]time.Duration{"+3d": 72 * time.Hour, "-3d": -72 * time.Hour} {
				finish := bystander(t, s) // with the ordinary timeout of a minute
				tunnel := s.tunnel(t, "how=lines")
				key := newKey()
				begin := time.Now()
				silent := make(chan error, 1)
				go func() {
					a, err := s.try("GET", "/quick/hold?key="+key, nil)
					if err == nil {
						err = errors.New(a.Status)
					}
					silent <- err
				}()
				s.await(t, key+"/in")
				set(jump)
				eventually(t, "the server's clock jumps", func() bool { return (date().Sub(time.Now()) - want).Abs() < time.Hour })
				for range 20 {
					assert.Equal(t, 200, s.get(t, "/quick/facts/x").StatusCode)
				}
				// Timeouts and deadlines keep their length.
				assert.ErrorContains(t, <-silent, "504 ")
				assert.Greater(t, time.Since(begin), 1900*time.Millisecond)
				key = newKey()
				deadlines := s.tunnel(t, "how=deadline&key="+key)
				_, err := io.ReadFull(deadlines.r, make([]byte, len("ask")))
				require.NoError(t, err)
				deadlines.send("answer")
				assert.Equal(t, "<nil>", s.await(t, key+"/out"))
				deadlines.Close()
				tunnel.says("still here")
				tunnel.Close()
				finish()
				set("+0")
				eventually(t, "the clock is right again", func() bool { return date().Sub(time.Now()).Abs() < time.Hour })
			}
		})
	}
}
