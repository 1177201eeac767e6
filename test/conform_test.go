// The conformance suite: the rows of package conform against the gateways, with
// net/http's own server as the oracle.

package test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/conform"
)

// gateways are the hosts of the suite. Each has HTTP/1.1 or HTTP/2.
var gateways = []struct {
	name  string
	two   bool
	start func(*testing.T) *server
}{
	{"nginx", false, func(t *testing.T) *server { return conf{server: conforming}.start(t).server }},
	{"nginx-http2", true, func(t *testing.T) *server {
		return overHTTP2(conf{server: conforming, listen: "http2"}.start(t).server)
	}},
	{"apache", false, func(t *testing.T) *server {
		return apacheConf{host: conformingApache, limits: strings.ReplaceAll(oneProcess, "100", "200")}.start(t).server
	}},
}

// conforming passes everything to the rows.
const conforming = `
    location / { pillion_pass conform; }
    location = /mix { pillion_pass mix; }
    location = /runtime { pillion_pass behave; }
    location = /echo { pillion_pass behave; }
    location = /stacks { pillion_pass behave; }
`

const conformingApache = `
  PillionScriptAlias / conform
  <Location "/mix">
    SetHandler pillion
    PillionApp mix
  </Location>
  <LocationMatch "^/(runtime|echo|stacks)$">
    SetHandler pillion
    PillionApp behave
  </LocationMatch>
`

// oracle serves the rows with net/http in HTTP/1.1 or HTTP/2.
func oracle(t *testing.T, two bool) conform.Host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: conform.Handler(), ErrorLog: log.New(io.Discard, "", 0), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(!two)
	srv.Protocols.SetUnencryptedHTTP2(two)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	addr := l.Addr().String()
	s := newServer("net/http", "http://"+addr, dialTCP(addr), func() string { return "" })
	if two {
		overHTTP2(s)
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return conform.Host{Dial: s.dial, Client: s.client, Two: two}
}

// overHTTP2 makes the client of s one for HTTP/2 without TLS.
func overHTTP2(s *server) *server {
	transport := s.client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	return s
}

func TestConform(t *testing.T) {
	one, two := oracle(t, false), oracle(t, true)
	for _, g := range gateways {
		t.Run(g.name, func(t *testing.T) {
			s := g.start(t)
			returnsToBaseline(t, s)
			host := conform.Host{Dial: s.dial, Client: s.client, Two: g.two}
			t.Run("rows", func(t *testing.T) {
				for _, row := range conform.Rows() {
					if g.two && row.OneOnly != "" {
						t.Logf("%s is not for HTTP/2: %s", row.Name, row.OneOnly)
						continue
					}
					t.Run(row.Name, func(t *testing.T) {
						t.Parallel()
						model, d := &row, differenceOf(g.name, row.Name)
						if d != nil && d.skip {
							t.Logf("is not run: %s %s", d.what, d.why)
							return
						}
						if d != nil && d.as != "" {
							model = rowNamed(t, d.as, row.Name)
						}
						got := outcome(t, host, &row)
						want := []conform.Outcome{outcome(t, one, model)}
						if g.two {
							want = []conform.Outcome{outcome(t, two, model), inHTTP2(outcome(t, one.Casual(), model))}
						}
						judge(t, d, want, got)
					})
				}
			})
		})
	}
}

// outcome runs a row.
func outcome(t *testing.T, host conform.Host, row *conform.Row) conform.Outcome {
	t.Helper()
	o, err := host.Run(row)
	require.NoError(t, err, "%+v", host)
	return normalise(row, o)
}

// inHTTP2 is an outcome in HTTP/1.1 as it would be in HTTP/2, where net/http's
// two servers differ in trifles (the size of a buffer, errors without a name):
// Pillion has the ways of HTTP/1.1 in both.
func inHTTP2(o conform.Outcome) conform.Outcome {
	for i, note := range o.Notes {
		o.Notes[i] = strings.Replace(note, `"HTTP/1.1" 1 1`, `"HTTP/2.0" 2 0`, 1)
	}
	return o
}

// rowNamed is the row of that name, the one with HEAD if row is.
func rowNamed(t *testing.T, name, row string) *conform.Row {
	t.Helper()
	if strings.HasSuffix(row, ", HEAD") {
		name += ", HEAD"
	}
	for _, r := range conform.Rows() {
		if r.Name == name {
			return &r
		}
	}
	t.Fatal("there is no row " + name)
	return nil
}

// judge compares an outcome with those that net/http may come to, by way of the
// known difference.
func judge(t *testing.T, d *difference, want []conform.Outcome, got conform.Outcome) {
	t.Helper()
	if d != nil {
		t.Logf("known to differ: %s %s", d.what, d.why)
		for i := range slices.Clone(want) {
			before := want[i].Lines()
			if d.either {
				want = append(want, want[i])
			}
			if d.adjust != nil {
				d.adjust(&want[i])
				assert.NotEqual(t, before, want[i].Lines(), "there is no such difference: take it out of the table")
			}
		}
	}
	if !slices.ContainsFunc(want, func(w conform.Outcome) bool { return slices.Equal(w.Lines(), got.Lines()) }) {
		differ(t, want[0], got)
	}
}

// differ fails the test with the lines that only one of two outcomes has.
func differ(t *testing.T, want, got conform.Outcome) {
	t.Helper()
	w, g := want.Lines(), got.Lines()
	var b strings.Builder
	for _, side := range []struct {
		name      string
		one, next []string
	}{{"net/http", w, g}, {"here", g, w}} {
		for _, line := range side.one {
			if !slices.Contains(side.next, line) {
				fmt.Fprintf(&b, "\n%-9s %s", side.name, line)
			}
		}
	}
	if b.Len() == 0 {
		fmt.Fprintf(&b, "\nin another order: %q, %q", w, g)
	}
	t.Error(b.String())
}
