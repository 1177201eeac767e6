package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// workDir is for what tests share.
var workDir string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	root = ".."
	var err error
	if workDir, err = os.MkdirTemp("", "pillion-bench-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(workDir)
	return m.Run()
}

// missing skips the test, or fails it where everything has to be there.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("PILLION_CI") != "" {
		t.Fatal("needed in CI, and missing: " + what)
	}
	t.Skip("missing: " + what)
}

// keys are those that readers of bench.json look for.
var keys = []string{
	"nginx_hello_c64_rps_vs_proxy_unix", "nginx_hello_c8_rps_vs_proxy_unix", "nginx_hello_c1_p50_vs_proxy_unix",
	"nginx_hello_c64_cpu_vs_proxy_unix", "nginx_hello_c64_rps_vs_nethttp", "nginx_hello_c64_cpu_vs_return",
	"nginx_hello_c64_rps_vs_fastcgi", "nginx_file_256m_throughput_vs_static",
	"nginx_upload_256m_throughput_vs_proxy_unix", "nginx_stream_1m_rps_vs_proxy_unix",
	"nginx_blocked_10k_rss_vs_proxy_unix", "nginx_static_p99_while_go_busy", "nginx_hello_100headers_rps_vs_proxy_unix",
	"apache_hello_c64_rps_vs_proxy_unix", "apache_hello_c64_rps_vs_modwsgi_embedded", "apache_hello_c64_cpu_vs_static",
}

func TestScenarios_EveryKeyIsMeasuredByOne(t *testing.T) {
	var rows []*row
	for _, s := range scenarios(quick, &kit{files: 65536}) {
		for _, e := range s.entries {
			r := &row{scenario: &s, entry: e, samples: []sample{{rps: 2, cpu: 2, rss: 2, p50: 2, p99: 2}}}
			rows = append(rows, r)
		}
	}
	measured := ratios(rows)
	for _, key := range keys {
		assert.InDelta(t, 1, measured[key], 1e-9, key)
	}
	assert.Len(t, measured, len(keys))
}

func TestRatio_IsTheMedianOfTheRounds(t *testing.T) {
	s := &scenario{name: "s"}
	rows := []*row{
		{scenario: s, entry: entry{label: "other"}, samples: []sample{{rps: 10}, {rps: 100}, {rps: 1}}},
		{scenario: s, entry: entry{label: "ours"}, samples: []sample{{rps: 20}, {rps: 300}, {rps: 4}}},
	}
	a := aim{scenario: "s", ours: "ours", other: "other", metric: rps, limit: 2}
	ratio, ok := a.ratio(rows)
	require.True(t, ok)
	assert.InDelta(t, 3, ratio, 1e-9)
	assert.True(t, a.met(ratio))
	a.most = true
	assert.False(t, a.met(ratio))
}

func TestRatio_ThereIsNoneForAMissingContender(t *testing.T) {
	s := &scenario{name: "s"}
	rows := []*row{
		{scenario: s, entry: entry{label: "ours"}, missing: "not built"},
		{scenario: s, entry: entry{label: "other"}, samples: []sample{{rps: 10}}},
	}
	_, ok := aim{scenario: "s", ours: "ours", other: "other", metric: rps}.ratio(rows)
	assert.False(t, ok)
}

func TestMedian(t *testing.T) {
	assert.Zero(t, median(nil))
	assert.InDelta(t, 3, median([]float64{9, 1, 3}), 1e-9)
	assert.InDelta(t, 2.5, median([]float64{4, 1, 2, 3}), 1e-9)
}

const wrkReport = `Running 1s test @ http://127.0.0.1:18090/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    49.86us  145.76us   4.23ms   99.47%
    Req/Sec   134.11k    13.04k  142.59k    90.91%
  Latency Distribution
     50%   34.00us
     75%   53.00us
     90%   56.00us
     99%    1.19ms
  146328 requests in 1.10s, 21.21MB read
  Socket errors: connect 0, read 1, write 2, timeout 4
Requests/sec: 133063.08
Transfer/sec:     19.29MB
`

func TestParseWrk(t *testing.T) {
	r, err := parseWrk(wrkReport)
	require.NoError(t, err)
	assert.InDelta(t, 133063.08, r.rps(), 0.01)
	r.seconds = 0
	assert.Equal(t, result{requests: 146328, p50: 34 * time.Microsecond, p99: 1190 * time.Microsecond, errors: 7}, r)
}

func TestParseWrk_OtherStatusesAndNoAnswersAreErrors(t *testing.T) {
	_, err := parseWrk(wrkReport + "  Non-2xx or 3xx responses: 3\n")
	assert.ErrorContains(t, err, "3 answers are no 2xx")
	_, err = parseWrk("unable to connect")
	assert.Error(t, err)
	_, err = parseWrk("0 requests in 1.00s, 0B read\nRequests/sec: 0.00\n")
	assert.Error(t, err)
}

const h2loadReport = `
finished in 17.87ms, 111900.63 req/s, 16.22MB/s
requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx
`

func TestParseH2load(t *testing.T) {
	r, err := parseH2load(h2loadReport)
	require.NoError(t, err)
	assert.Equal(t, result{requests: 2000, seconds: 0.01787}, r)
}

func TestParseH2load_FailedRequestsAreErrors(t *testing.T) {
	for _, change := range [][2]string{{"0 failed", "1 failed"}, {"0 errored", "1 errored"}, {"2000 2xx, 0 3xx", "1999 2xx, 1 3xx"}} {
		_, err := parseH2load(strings.Replace(h2loadReport, change[0], change[1], 1))
		assert.Error(t, err, change[1])
	}
}

func TestParseH2loadLog(t *testing.T) {
	var log strings.Builder
	for i := range 101 {
		fmt.Fprintf(&log, "1700000000000000\t200\t%d\n", 101-i)
	}
	p50, p99, err := parseH2loadLog(log.String())
	require.NoError(t, err)
	assert.Equal(t, 51*time.Microsecond, p50)
	assert.Equal(t, 100*time.Microsecond, p99)
	_, _, err = parseH2loadLog("200\n")
	assert.Error(t, err)
	_, _, err = parseH2loadLog("")
	assert.Error(t, err)
}

func TestParseStat_NameMayHoldAnything(t *testing.T) {
	s, err := parseStat("7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 11 22 33 44 20 0 1 0 100 4096 5 18446744073709551615\n")
	require.NoError(t, err)
	assert.Equal(t, stat{parent: 3, cpu: 1100 * time.Millisecond, rss: 5 * int64(os.Getpagesize())}, s)
	_, err = parseStat("7 (a) S 3")
	assert.Error(t, err)
}

func TestMeasure_CountsDescendantsThatRunAndThoseThatHaveEnded(t *testing.T) {
	const busy = `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`
	for name, script := range map[string]string{
		"ended": `sh -c '` + busy + `'; echo done; read wait`,
		"runs":  `sh -c '` + busy + `; echo done; read wait'; true`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fifo := filepath.Join(dir, "fifo")
			require.NoError(t, syscall.Mkfifo(fifo, 0o600))
			p, err := start(dir, nil, "/bin/sh", "-c", "exec < "+fifo+"; "+script)
			require.NoError(t, err)
			defer p.stop()
			f, err := os.OpenFile(fifo, os.O_WRONLY, 0) // held open: the script waits
			require.NoError(t, err)
			defer f.Close()
			require.Eventually(t, func() bool {
				b, _ := os.ReadFile(p.log)
				return strings.Contains(string(b), "done")
			}, 30*time.Second, 5*time.Millisecond)
			u := measure([]*process{p})
			assert.Positive(t, u.cpu)
			assert.Positive(t, u.rss)
		})
	}
}

func TestStop_EndsAProcessThatIgnoresIt(t *testing.T) {
	old := patience
	patience = 100 * time.Millisecond
	defer func() { patience = old }()
	p, err := start(t.TempDir(), nil, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do read x < /dev/zero; done")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(p.log)
		return len(b) > 0
	}, 30*time.Second, 5*time.Millisecond)
	p.stop()
	assert.ErrorIs(t, syscall.Kill(p.cmd.Process.Pid, 0), syscall.ESRCH)
}

// wellFormed checks that a plot is XML and has a text.
func wellFormed(t *testing.T, svg, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	found := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if c, ok := token.(xml.CharData); ok && string(c) == text {
			found = true
		}
	}
	assert.True(t, found, "%q in %s", text, svg)
}

func TestDraw_IsWellFormedAndEscapesNames(t *testing.T) {
	lines := []line{{"a < b", []point{{1, 10}, {100, 20}}}, {"none", nil}}
	wellFormed(t, drawLines("T & t", "x", "y", true, lines), "a < b")
	wellFormed(t, drawBars("T & t", []bar{{"a < b", 3}, {"zero", 0}}), "T & t")
	wellFormed(t, drawLines("empty", "x", "y", false, nil), "empty")
}

func TestDraw_ScaleEndsAtTheNextRoundNumber(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 47: 50, 51: 100, 0.3: 0.5} {
		assert.InDelta(t, want, ceiling(v), 1e-9, "%g", v)
	}
}

func TestVerify_OtherBytesAreAnError(t *testing.T) {
	address, err := freeAddress()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, build(context.Background(), "./bench/backend", filepath.Join(dir, "backend")))
	k := &kit{backend: filepath.Join(dir, "backend")}
	target := &target{dir: dir, address: address}
	defer target.stop()
	require.NoError(t, startBackend(context.Background(), k, target, "tcp", address))
	assert.NoError(t, expectHello.verify(context.Background(), target))
	wrong := expectation{path: "/hello", body: text("something else")}
	assert.ErrorContains(t, wrong.verify(context.Background(), target), "1024 bytes that are not the 14 expected")
	wrong = expectation{path: "/nothing", body: text("")}
	assert.ErrorContains(t, wrong.verify(context.Background(), target), "404")
}

// TestCompare_WritesAReport runs a scenario at its smallest. Its figures mean
// nothing.
func TestCompare_WritesAReport(t *testing.T) {
	modules := filepath.Join(root, "build")
	if _, err := os.Stat(filepath.Join(modules, "ngx_http_pillion_module.so")); err != nil {
		missing(t, "build/ngx_http_pillion_module.so: make module")
	}
	for _, tool := range []string{"wrk", "h2load", nginxBinary} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
	out := t.TempDir()
	only := regexp.MustCompile("^(hello_c8|blocked_10k|headers_.*)$")
	require.NoError(t, compare(context.Background(), tiny, only, modules, out))
	b, err := os.ReadFile(filepath.Join(out, "bench.json"))
	require.NoError(t, err)
	var report struct {
		Ratios map[string]float64
		Rows   []struct {
			Scenario, Contender string
			RPS                 float64
		}
	}
	require.NoError(t, json.Unmarshal(b, &report))
	assert.Positive(t, report.Ratios["nginx_hello_c8_rps_vs_proxy_unix"])
	assert.Positive(t, report.Ratios["nginx_blocked_10k_rss_vs_proxy_unix"])
	answered := map[string]bool{}
	for _, r := range report.Rows {
		answered[r.Scenario+" "+r.Contender] = r.RPS > 0
	}
	for _, row := range []string{"hello_c8 nginx_pillion", "hello_c8 nginx_return", "hello_c8 nethttp",
		"hello_c8 nginx_fastcgi", "hello_c8 nginx_proxy_tcp", "headers_10 nginx_pillion"} {
		assert.True(t, answered[row], "%s in %s", row, b)
	}
	svg, err := os.ReadFile(filepath.Join(out, "bench-headers.svg"))
	require.NoError(t, err)
	wellFormed(t, string(svg), "Pillion in nginx")
}
