// What an application sees of a request, and of the process.

package behave

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"

	"pillion/host"
)

// Text is a string of any bytes that survives JSON.
type Text string

// MarshalText implements encoding.TextMarshaler.
func (t Text) MarshalText() ([]byte, error) { return []byte(strconv.QuoteToASCII(string(t))), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Text) UnmarshalText(b []byte) error {
	s, err := strconv.Unquote(string(b))
	*t = Text(s)
	return err
}

// Facts is a request as a handler sees it.
type Facts struct {
	Method, Proto, Host, Remote Text
	URI, Path, RawPath, Query   Text
	Header                      map[string][]Text
	Environ                     [][2]Text
	Length                      int64
	Coding                      []string
	TLS                         bool
	Body                        Text
	BodyErr                     string
}

// Variable returns a CGI variable, or "".
func (f *Facts) Variable(name string) string {
	for _, p := range f.Environ {
		if string(p[0]) == name {
			return string(p[1])
		}
	}
	return ""
}

// serveFacts answers with the Facts of the request.
func serveFacts(w http.ResponseWriter, r *http.Request) {
	f := Facts{
		Method: Text(r.Method), Proto: Text(r.Proto), Host: Text(r.Host), Remote: Text(r.RemoteAddr),
		URI: Text(r.RequestURI), Path: Text(r.URL.Path), RawPath: Text(r.URL.RawPath), Query: Text(r.URL.RawQuery),
		Header: map[string][]Text{},
		Length: r.ContentLength, Coding: r.TransferEncoding,
		TLS: r.TLS != nil,
	}
	for name, values := range r.Header {
		for _, v := range values {
			f.Header[name] = append(f.Header[name], Text(v))
		}
	}
	for _, p := range host.Environ(r) {
		f.Environ = append(f.Environ, [2]Text{Text(p.Name), Text(p.Value)})
	}
	body, err := io.ReadAll(r.Body)
	f.Body = Text(body)
	if err != nil {
		f.BodyErr = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(f)
}

// Counts is what pillion_stats tells, if the process has it.
type Counts struct {
	Queues                                 int
	Requests, Responses, Running, Buffered int64
	WakesIn, WakesOut, Completed           int64
	Abandoned, AbandonedBytes              int64
}

// Library reads Counts; nil outside of a library.
var Library func() Counts

// Runtime is the state of the process.
type Runtime struct {
	Pid, Goroutines, Files, GOMAXPROCS, GCPercent int
	MemoryLimit, Heap, RSS                        int64
	Version                                       string
	Env                                           map[string]string // of ?env=
	Counts                                        *Counts
	Running                                       int
	AsApp                                         bool // what answers is an App
}

// serveRuntime answers with the Runtime, after a garbage collection if ?gc=1.
func serveRuntime(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("gc") != "" {
		debug.FreeOSMemory()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	state := Runtime{
		Pid: os.Getpid(), Goroutines: runtime.NumGoroutine(), Files: openFiles(),
		GOMAXPROCS: runtime.GOMAXPROCS(0), GCPercent: int(percent[0].Value.Uint64()), // of what is off, -1
		MemoryLimit: debug.SetMemoryLimit(-1), Heap: int64(memory.HeapAlloc), RSS: residentSize(),
		Version: Version, Env: map[string]string{}, Running: host.Running(), AsApp: asApp.Load(),
	}
	for _, name := range r.Form["env"] {
		if value, ok := os.LookupEnv(name); ok {
			state.Env[name] = value
		}
	}
	if Library != nil {
		counts := Library()
		state.Counts = &counts
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(state)
}

// serveStacks answers with the stacks of all goroutines.
func serveStacks(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 1<<20)
	w.Write(b[:runtime.Stack(b, true)])
}

func openFiles() int {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return -1
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return -1
	}
	return len(names) - 1 // without d
}

func residentSize() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return -1
	}
	var total, resident int64
	if _, err := fmt.Sscan(string(b), &total, &resident); err != nil {
		return -1
	}
	return resident * int64(os.Getpagesize())
}
