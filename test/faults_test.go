// What clients and machines do to a server, and what must be left of it.

package test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// faultHost is a server that faults are injected into, with what differs.
type faultHost struct {
	name string

	// start starts it. What is asked for below /quick/ times out after 400 ms,
	// all else after longer than a test may take; files below /read/ are read,
	// and sent by sendfile elsewhere.
	start func(t *testing.T) *server
}

var faultHosts = []faultHost{
	{"nginx", func(t *testing.T) *server {
		return conf{http: "sendfile on; pillion_read_timeout 10m;", server: everything + `
			location /read/ { pillion_pass behave; pillion_script_name /read; sendfile off; }
			location /quick/ { pillion_pass behave; pillion_script_name /quick; pillion_read_timeout 400ms; }`}.start(t).server
	}},
	{"apache", func(t *testing.T) *server {
		return apacheConf{main: "EnableSendfile On\nPillionReadTimeout 10mi", host: everyApache + `
			PillionScriptAlias /read behave
			<Location "/read">
			  EnableSendfile Off
			</Location>
			PillionScriptAlias /quick behave
			<Location "/quick">
			  PillionReadTimeout 400ms
			</Location>`}.start(t).server
	}},
}

// onEachServer runs f against every server that faults are injected into. After
// it the server must be as it was before.
func onEachServer(t *testing.T, f func(t *testing.T, s *server)) {
	for _, h := range faultHosts {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := h.start(t)
			unharmed(t, s)
			f(t, s)
		})
	}
}

// unharmed asserts at the end of the test that the worker is the same process,
// that it answers and that nothing is left in it.
func unharmed(t *testing.T, s *server) {
	t.Helper()
	returnsToBaseline(t, s)
	pid := s.runtime(t, "").Pid
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		assert.Equal(t, pid, s.runtime(t, "").Pid, "the worker")
	})
}
