// Requests beyond what the library takes.

package test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// room is how many requests the library of c/full.c takes.
const room = 4

// crampedLibrary is the test library with room for that many.
func crampedLibrary(t *testing.T) string {
	cc, inner := compiler(t), library(t, "one")
	return builtOnce("full").get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, "full.so")
		out, err := exec.Command(cc, "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I../include",
			"-shared", "-fPIC", "-o", path, "c/full.c", "-Wl,--no-as-needed", inner).CombinedOutput()
		return path, out, err
	})
}

func TestFaults_RequestsBeyondTheLibrarysRoomAreRefused(t *testing.T) {
	for _, h := range []struct {
		name, says string
		start      func(t *testing.T) (*server, string)
	}{
		{"nginx", "PILLION-4205: request refused by the library: too many requests in flight", func(t *testing.T) (*server, string) {
			n := conf{library: crampedLibrary(t)}.start(t)
			return n.server, n.path("apps/go")
		}},
		{"apache", `PILLION-5208: application "behave" cannot answer: too many requests in flight`, func(t *testing.T) (*server, string) {
			a := apacheConf{library: crampedLibrary(t)}.start(t)
			return a.server, a.path("apps/go")
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s, file := h.start(t)
			unharmed(t, s)
			hold := func() (*wire, *http.Response) {
				w := s.wire(t, "GET /hold?send=begin+&key="+newKey()+"&file="+file+" HTTP/1.1\nHost: h\n\n")
				return w, w.response("GET")
			}
			var held []*http.Response
			eventually(t, "it is full", func() bool {
				w, res := hold()
				if res.StatusCode != http.StatusOK { // one before may not have been given back yet
					w.Close()
					return false
				}
				held = append(held, res)
				return len(held) == room
			})
			for range 5 {
				w, res := hold()
				assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
				if s.name == "nginx" {
					assert.Equal(t, "1", res.Header.Get("Retry-After"))
				}
				w.Close()
			}
			assert.Contains(t, s.log(), h.says)

			require.NoError(t, os.WriteFile(file, nil, 0o644))
			for _, res := range held {
				b, err := io.ReadAll(res.Body)
				assert.NoError(t, err)
				assert.Equal(t, "begin held", string(b))
			}
			eventually(t, "there is room again", func() bool { return s.get(t, "/facts/x").StatusCode == http.StatusOK })
		})
	}
}
