// A long time of everything at once: make soak MINUTES=10 (SERVER=apache). Two
// servers get the same traffic. One is left alone, so that what its worker keeps
// adds up, the other loads the library anew all the time. In the suite it is a
// matter of seconds, and only the answers count.

package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
	"pillion/test/soak"
)

// soaked is a server under the traffic.
type soaked struct {
	*server          // whose clients keep their connections
	single   *server // and one whose do not
	name     string
	master   int
	reload   func() // nil for the one that is left alone
	file     string // for downloads
	reloads  int
	requests atomic.Int64
	samples  []sample
}

// sample is what a server holds while nobody asks it for anything.
type sample struct {
	processes, files, goroutines, requests, buffered int64
	handles                                          int64 // queues, requests, responses
	rss                                              int64 // of the worker that answered
	masterFiles, masterMemory                        int64
}

// holdings are what is judged.
var holdings = []soak.Holding[sample]{
	{Name: "processes", Tolerance: 0.5, Of: func(s sample) int64 { return s.processes }},
	{Name: "goroutines", Tolerance: 4, Of: func(s sample) int64 { return s.goroutines }},
	{Name: "requests", Tolerance: 0.5, Of: func(s sample) int64 { return s.requests }},
	{Name: "handles", Tolerance: 0.5, Of: func(s sample) int64 { return s.handles }},
	{Name: "bytes held for requests", Tolerance: 64 << 10, Of: func(s sample) int64 { return s.buffered }},
	{Name: "descriptors of the worker", Tolerance: 3, Of: func(s sample) int64 { return s.files }},
	{Name: "memory of the worker", Tolerance: 6 << 20, Of: func(s sample) int64 { return s.rss }},
	{Name: "descriptors of the master", Tolerance: 1, Of: func(s sample) int64 { return s.masterFiles }},
	{Name: "memory of the master", Tolerance: 512 << 10, Of: func(s sample) int64 { return s.masterMemory }},
}

const (
	soakClients = 4                     // of each server
	soakPace    = 20 * time.Millisecond // between a client's requests: the point is time
	soakReload  = 10 * time.Second
)

func TestSoak(t *testing.T) {
	minutes, tick, reload := 3, time.Second, 500*time.Millisecond
	given := os.Getenv("PILLION_SOAK")
	judged := given != ""
	if judged {
		var err error
		minutes, err = strconv.Atoi(given)
		require.NoError(t, err, "PILLION_SOAK is a number of minutes")
		require.GreaterOrEqual(t, minutes, soak.Samples, "each minute gives one sample, and fewer show no trend")
		tick, reload = time.Minute, soakReload
	} else {
		t.Parallel()
	}
	servers := soakNginx(t)
	if os.Getenv("PILLION_SOAK_SERVER") == "apache" {
		servers = soakApache(t)
	}

	var rest sync.RWMutex // held for reading by who asks a server for something
	var failed failures
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for _, s := range servers {
		s.single = s.once()
		for range soakClients {
			clients.Go(func() {
				for pause := time.Tick(soakPace); ; <-pause {
					select {
					case <-stop:
						return
					default:
					}
					a := traffic[rand.IntN(len(traffic))]
					rest.RLock()
					err := a.run(s)
					rest.RUnlock()
					s.requests.Add(1)
					if err != nil {
						failed.add(fmt.Sprintf("%s, %s: %v", s.name, a.name, err))
					}
				}
			})
		}
	}
	report := &table{t: t, live: judged}
	report.row("minute", "server", "requests", "reloads", "failed", "procs", "goroutines", "in flight", "handles", "buffered", "worker fds", "worker RSS", "master fds", "master RSS")
	reloads := time.NewTicker(reload)
	defer reloads.Stop()
	for minute := 1; minute <= minutes; minute++ {
		for due := time.After(tick); due != nil; {
			select {
			case <-reloads.C:
				for _, s := range servers {
					if s.reload != nil {
						s.reload()
						s.reloads++
					}
				}
			case <-due:
				due = nil
			}
		}
		rest.Lock()
		for _, s := range servers {
			now := s.sample(t)
			s.samples = append(s.samples, now)
			report.row(minute, s.name, s.requests.Load(), s.reloads, failed.count(), now.processes, now.goroutines, now.requests, now.handles, now.buffered,
				now.files, kib(now.rss), now.masterFiles, kib(now.masterMemory))
		}
		rest.Unlock()
	}
	close(stop)
	clients.Wait()
	assert.Empty(t, failed.all, "unexpected answers")
	for _, s := range servers {
		assert.Positive(t, s.requests.Load())
		if judged {
			growing, err := soak.Judge(s.samples, holdings)
			assert.NoError(t, err)
			assert.Empty(t, growing, "%s: what grows", s.name)
		}
	}
}

func kib(n int64) string { return strconv.FormatInt(n>>10, 10) + "K" }

// table prints rows as they come, or with the test's log.
type table struct {
	t    *testing.T
	live bool
}

func (p *table) row(columns ...any) {
	var b strings.Builder
	for i, c := range columns {
		fmt.Fprintf(&b, "%*v ", []int{6, 7, 9, 7, 6, 5, 10, 9, 7, 8, 10, 10, 10, 10}[i], c)
	}
	if p.live {
		fmt.Println(b.String())
		return
	}
	p.t.Log(b.String())
}

// failures are the first of them.
type failures struct {
	mu  sync.Mutex
	n   int
	all []string
}

func (f *failures) add(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n <= 20 {
		f.all = append(f.all, text)
	}
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

const soakFile = 3 << 20

func soakNginx(t *testing.T) (both []*soaked) {
	for _, name := range []string{"steady", "reloads"} {
		c := withFrameworks(t)
		c.level = "error"
		n := c.start(t)
		s := &soaked{server: n.server, name: name, master: n.master.Process.Pid, file: n.path("apps/file")}
		if name == "reloads" {
			n.setWorkers("2")
			s.reload = func() {
				copyFile(t, c.library, n.path("app.so"))
				n.signal(syscall.SIGHUP)
			}
		}
		require.NoError(t, os.WriteFile(s.file, make([]byte, soakFile), 0o644))
		both = append(both, s)
	}
	return both
}

// setWorkers has the next reload start that many workers.
func (n *nginx) setWorkers(count string) {
	n.t.Helper()
	n.write(strings.Replace(n.read("nginx.conf"), "worker_processes 1;", "worker_processes "+count+";", 1))
}

func soakApache(t *testing.T) (both []*soaked) {
	library := frameworksLibrary(t)
	for _, name := range []string{"steady", "reloads"} {
		c := apacheConf{library: library, host: everyApache + withInApache, level: "error"}
		if name == "reloads" {
			c.limits = twoProcesses
		}
		a := c.start(t)
		s := &soaked{server: a.server, name: name, master: a.parent.Process.Pid, file: a.path("apps/file")}
		if name == "reloads" {
			s.reload = func() {
				copyFile(t, library, a.path("app.so"))
				a.signal(apacheGraceful)
			}
		}
		require.NoError(t, os.WriteFile(s.file, make([]byte, soakFile), 0o644))
		both = append(both, s)
	}
	return both
}

// sample waits until the old workers have ended, and the last handler.
func (s *soaked) sample(t *testing.T) (now sample) {
	t.Helper()
	var r behave.Runtime
	eventually(t, "rest", func() bool {
		s.client.CloseIdleConnections()
		a, err := s.try("GET", "/runtime?gc=1", nil)
		if err != nil || a.StatusCode != 200 {
			return false
		}
		a.into(t, &r)
		now.processes = int64(len(childrenOf(s.master)))
		return r.Running <= 1 && r.Counts.Requests <= 1 && now.processes <= 2
	})
	master := footprintOf(t, s.master)
	now.goroutines, now.files, now.rss = int64(r.Goroutines), int64(r.Files), r.RSS
	now.requests, now.buffered = r.Counts.Requests, r.Counts.Buffered
	now.handles = int64(r.Counts.Queues) + r.Counts.Requests + r.Counts.Responses
	now.masterFiles, now.masterMemory = int64(master.files), master.memory
	return now
}

// traffic is what clients do. An error is an answer that is not the right one.
var traffic = []struct {
	name string
	run  func(*soaked) error
}{
	{"hello", func(s *soaked) error { return s.expect("GET", "/facts/x", "", 200, -1) }},
	{"post", func(s *soaked) error {
		body := strings.Repeat("token", 1+rand.IntN(3000))
		return s.expect("POST", "/echo", body, 200, len(body))
	}},
	{"upload", func(s *soaked) error { return s.expect("POST", "/hash", strings.Repeat("u", 300000), 200, -1) }},
	{"stream", func(s *soaked) error { return s.expect("GET", "/bytes?n=700000&seed=s&write=4096", "", 200, 700000) }},
	{"download", func(s *soaked) error { return s.expect("GET", "/content?path="+s.file, "", 200, soakFile) }},
	{"unread upload", func(s *soaked) error { return s.single.uploadUnread() }},
	{"panic", func(s *soaked) error { return s.expect("GET", "/panic", "", 500, -1) }},
	{"panic in the middle", func(s *soaked) error {
		a, err := s.try("GET", "/panic?n=100&flush=1", nil)
		if err != nil || a.StatusCode != 200 || a.err == nil {
			return fmt.Errorf("not cut: %v %v", a.Response, err)
		}
		return nil
	}},
	{"abort of a response", func(s *soaked) error {
		return s.abort("GET /bytes?n=50000000&seed=a HTTP/1.1\r\nHost: h\r\n\r\n", true)
	}},
	{"abort of an upload", func(s *soaked) error {
		return s.abort("POST /hash HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 20000), false)
	}},
	{"WebSocket", func(s *soaked) error { return s.converse("/with/gorilla-websocket/") }},
	{"another WebSocket", func(s *soaked) error { return s.converse("/with/coder-websocket/") }},
}

// expect sends a request and compares the status and, unless it is -1, the
// length. One without a body may come by a connection that is closed while it is
// idle, and is sent again then; net/http does not do that with half a body.
func (s *soaked) expect(method, path, body string, status, length int) error {
	by := s.server
	if body != "" {
		by = s.single
	}
	a, err := by.try(method, path, strings.NewReader(body))
	if err == nil {
		err = a.err
	}
	if err == nil && (a.StatusCode != status || length >= 0 && len(a.body) != length) {
		err = fmt.Errorf("%s with %d bytes: %.200s", a.Status, len(a.body), a.body)
	}
	return err
}

// abort sends something, reads the beginning of the answer if there is to be
// one, and resets the connection.
func (s *soaked) abort(text string, answered bool) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(c, text); err == nil && answered {
		_, err = io.CopyN(io.Discard, c, 50000)
	}
	c.(*net.TCPConn).SetLinger(0)
	return err
}

// converse opens a WebSocket, has some messages echoed, and closes it or leaves.
func (s *soaked) converse(path string) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, strings.ReplaceAll(fmt.Sprintf(upgrade, path), "\n", "\r\n"))
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: "GET"})
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(res.Status)
	}
	for i := range 5 {
		message := strings.Repeat("m", 1+i*1000)
		io.WriteString(c, frame(opText, message))
		if _, got, err := receive(r); err != nil || got != message {
			return fmt.Errorf("message %d came back as %.20q: %v", i, got, err)
		}
	}
	if rand.IntN(2) == 0 {
		return nil // without a word
	}
	io.WriteString(c, frame(opClose, "\x03\xe8"))
	_, _, err = receive(r)
	return err
}
