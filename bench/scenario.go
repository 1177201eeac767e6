// The scenarios: who is measured under which load.

package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"pillion/bench/app"
)

// A scenario puts several contenders under a load, in turns.
type scenario struct {
	name    string
	title   string
	entries []entry
	expect  expectation
	size    int64 // of the body that a request moves, if throughput is the point
	plot    plot  // the plot that its rows go to

	rounds      int    // if not those of the plan
	connections int    // at once, if they are many
	pillion     string // more directives for Pillion in nginx
}

// entry is a row of a scenario.
type entry struct {
	label     string
	contender string
	load      load
	note      string // for the table
}

// plot says where a scenario's rows stand on which plot.
type plot struct {
	name string
	x    float64
}

// plan is how much is measured.
type plan struct {
	rounds   int
	few      int           // rounds of what says less or takes longer
	brief    bool          // leave out who only matters at many connections
	duration time.Duration // of one load
	files    int           // requests of one load for large files
	held     int           // requests that wait in handlers

	headers, bodies, connections []int // points of the plots
}

var (
	full = plan{rounds: 5, few: 3, duration: 5 * time.Second, files: 16, held: 10000,
		headers: []int{0, 10, 25, 50, 75, 100}, bodies: []int{0, 1 << 10, 8 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10},
		connections: []int{1, 3, 10, 30, 100, 300, 1000, 3000, 10000}}

	quick = plan{rounds: 3, few: 1, brief: true, duration: time.Second, files: 4, held: 10000,
		headers: []int{0, 50, 100}, bodies: []int{0, 64 << 10, 256 << 10},
		connections: []int{1, 10, 100, 1000, 10000}}

	tiny = plan{rounds: 1, few: 1, duration: time.Second, files: 1, held: 100,
		headers: []int{0, 10}, bodies: []int{0, 1 << 10}, connections: []int{1, 10}}
)

// rows gives each contender of that name the same load.
func rows(l load, names ...string) []entry {
	entries := make([]entry, len(names))
	for i, name := range names {
		entries[i] = entry{label: name, contender: name, load: l}
	}
	return entries
}

// holding has each contender hold that many requests, or as many as the limit of
// open files lets it; least is what all can.
func holding(requests int, k *kit, names ...string) (entries []entry, least int) {
	least = requests
	for _, name := range names {
		n := min(requests, contenderNamed(name).capacity(k))
		e := entry{label: name, contender: name, load: held{n}}
		if n < requests {
			e.note = fmt.Sprintf("only %d, for want of open files", n)
		}
		entries = append(entries, e)
		least = min(least, n)
	}
	return entries, least
}

// scenarios are all there are under a plan.
func scenarios(p plan, k *kit) []scenario {
	hello := func(connections int) wrk {
		return wrk{path: "/hello", connections: connections, duration: p.duration}
	}
	var onNginx, onApache []string
	for _, c := range contenders {
		if strings.HasPrefix(c.name, "apache") {
			onApache = append(onApache, c.name)
		} else {
			onNginx = append(onNginx, c.name)
		}
	}
	atFew := onNginx
	if p.brief {
		atFew = []string{"nginx_return", "nginx_pillion", "nethttp", "nginx_proxy_unix"}
	}
	manyHeaders := hello(64)
	manyHeaders.headers = 100
	streams := wrk{path: "/stream", connections: 16, duration: p.duration}
	upload := h2load{path: "/upload", requests: p.files, clients: 2, upload: k.file}
	holders, least := holding(p.held, k, "nginx_pillion", "nethttp", "nginx_proxy_unix")
	busyPs := max(1, runtime.NumCPU()-1)
	static := wrk{path: "/static/hello", connections: 8, duration: 2 * p.duration}

	all := []scenario{
		{name: "hello_c64", title: "1 KiB, 64 connections", entries: rows(hello(64), onNginx...), expect: expectHello},
		{name: "hello_c8", title: "1 KiB, 8 connections", entries: rows(hello(8), atFew...), expect: expectHello},
		{name: "hello_c1", title: "1 KiB, 1 connection", entries: rows(hello(1), atFew...), expect: expectHello},
		{name: "hello_100headers", title: "1 KiB, 64 connections, 100 more request headers",
			entries: rows(manyHeaders, "nginx_pillion", "nethttp", "nginx_proxy_unix", "nginx_proxy_tcp"), expect: expectHello},
		{name: "hello_h2", title: "1 KiB, HTTP/2, 8 connections of 16 streams",
			entries: rows(h2load{path: "/hello", requests: int(p.duration.Seconds() * 40000), clients: 8, streams: 16},
				"nginx_return", "nginx_pillion", "nginx_proxy_unix"), expect: expectHello},
		{name: "file_256m", title: "a file of 256 MiB, 2 connections",
			entries: rows(h2load{path: "/file", requests: p.files, clients: 2}, "nginx_static", "nginx_pillion", "nethttp", "nginx_proxy_unix"),
			expect:  expectation{path: "/file", body: k.contents}, size: fileSize},
		{name: "upload_256m", title: "an upload of 256 MiB, 2 connections, unbuffered",
			entries: rows(upload, "nginx_pillion", "nethttp", "nginx_proxy_unix"),
			expect:  expectation{path: "/upload", upload: k.file, body: text(strconv.Itoa(fileSize))}, size: fileSize},
		{name: "stream_1m", title: "1 MiB in writes of 32 KiB, 16 connections",
			entries: rows(streams, "nginx_pillion", "nethttp", "nginx_proxy_unix", "nginx_proxy_tcp"),
			expect:  expectation{path: "/stream", body: zeros(app.StreamSize)}, size: app.StreamSize},
		{name: "blocked_10k", title: fmt.Sprintf("%d requests that wait in handlers", p.held),
			entries: holders, expect: expectHello, connections: least, rounds: p.few},
		{name: "static_busy", title: fmt.Sprintf("static files, 8 connections, %d of %d CPUs busy", busyPs, runtime.NumCPU()),
			entries: []entry{
				{"busy_handlers", "nginx_pillion", besides{static, busyPs, burnInHandlers}, "busy handlers"},
				{"busy_process", "nginx_pillion", besides{static, busyPs, burnInProcesses}, "busy process"},
			},
			expect: expectation{path: "/static/hello", body: text(app.Hello)}, pillion: fmt.Sprintf("pillion_gomaxprocs %d;", busyPs)},
		{name: "apache_hello_c64", title: "Apache: 1 KiB, 64 connections", entries: rows(hello(64), onApache...), expect: expectHello},
	}
	curves := plotted(p)
	for i := range curves {
		curves[i].rounds = p.few
	}
	return append(all, curves...)
}

// plotted are the scenarios that show how costs grow.
func plotted(p plan) (all []scenario) {
	seen := []string{"nginx_pillion", "nethttp", "nginx_proxy_unix"}
	for _, n := range p.headers {
		all = append(all, scenario{name: fmt.Sprintf("headers_%d", n), title: fmt.Sprintf("%d more request headers", n),
			entries: rows(wrk{path: "/hello", connections: 64, duration: p.duration, headers: n}, seen...),
			expect:  expectHello, plot: plot{"headers", float64(n)}})
	}
	for _, n := range p.bodies {
		path := "/size?" + strconv.Itoa(n)
		all = append(all, scenario{name: fmt.Sprintf("body_%d", n), title: fmt.Sprintf("a response of %d bytes", n),
			entries: rows(wrk{path: path, connections: 64, duration: p.duration}, seen...),
			expect:  expectation{path: path, body: zeros(n)}, plot: plot{"body", float64(n)}})
	}
	for _, n := range p.connections {
		// Opening the connections is not what is measured.
		d := max(p.duration, time.Duration(n)*time.Second/3000)
		all = append(all, scenario{name: fmt.Sprintf("connections_%d", n), title: fmt.Sprintf("%d connections", n),
			entries: rows(wrk{path: "/hello", connections: n, duration: d}, seen...),
			expect:  expectHello, plot: plot{"connections", float64(n)}, connections: n})
	}
	return all
}

func (k *kit) contents() (want, error) { return ofFile(k.file) }

// path of a document.
func (k *kit) document(name string) string { return filepath.Join(k.documents(), name) }
