// The load generators: how they are run and what they print.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result is what a load generator saw.
type result struct {
	requests int
	seconds  float64
	p50, p99 time.Duration // 0 if it does not tell
	errors   int           // timeouts and broken connections
	rss      int64         // if not what it is at the end
}

func (r result) rps() float64 { return float64(r.requests) / r.seconds }

// load is a way to put a server under load.
type load interface {
	run(ctx context.Context, t *target) (result, error)
}

// wrk keeps a number of connections busy for a time.
type wrk struct {
	path        string
	connections int
	duration    time.Duration
	headers     int // additional ones of the request
}

func (l wrk) run(ctx context.Context, t *target) (result, error) {
	// Whole seconds are all that wrk takes.
	seconds := max(1, int(l.duration.Round(time.Second)/time.Second))
	args := []string{"-t1", "-c" + strconv.Itoa(l.connections), "-d" + strconv.Itoa(seconds) + "s", "--latency"}
	for i := range l.headers {
		args = append(args, "-H", fmt.Sprintf("X-Header-%d: %s%d", i, "a value of some length ", i))
	}
	out, err := generate(ctx, "wrk", append(args, "http://"+t.address+l.path)...)
	if err != nil {
		return result{}, err
	}
	return parseWrk(out)
}

// h2load sends a number of requests.
type h2load struct {
	path     string
	requests int
	clients  int
	streams  int    // of each client, over HTTP/2; over HTTP/1.1 if 0
	upload   string // path of the file to post
}

func (l h2load) run(ctx context.Context, t *target) (result, error) {
	args := []string{"-t1", "-n" + strconv.Itoa(l.requests), "-c" + strconv.Itoa(l.clients)}
	address := t.address
	if l.streams > 0 {
		address = t.address2
		args = append(args, "-m"+strconv.Itoa(l.streams))
	} else {
		args = append(args, "--h1")
	}
	if l.upload != "" {
		args = append(args, "-d", l.upload)
	}
	log := filepath.Join(t.dir, "h2load.log")
	os.Remove(log) // it appends
	out, err := generate(ctx, "h2load", append(args, "--log-file="+log, "http://"+address+l.path)...)
	if err != nil {
		return result{}, err
	}
	r, err := parseH2load(out)
	if err != nil {
		return r, err
	}
	times, err := os.ReadFile(log)
	if err != nil {
		return r, err
	}
	r.p50, r.p99, err = parseH2loadLog(string(times))
	return r, err
}

func generate(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, &out)
	}
	return out.String(), nil
}

var (
	wrkTotal   = regexp.MustCompile(`(\d+) requests in ([0-9.a-z]+),`)
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkErrors  = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkPercent = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([0-9.]+[a-z]+)`)

	h2Finished = regexp.MustCompile(`finished in ([0-9.]+[a-z]+), ([0-9.]+) req/s`)
	h2Requests = regexp.MustCompile(`(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2Status   = regexp.MustCompile(`status codes: (\d+) 2xx`)
)

// parseWrk reads the report of wrk --latency.
func parseWrk(out string) (r result, err error) {
	total, rate := wrkTotal.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out)
	if total == nil || rate == nil {
		return r, fmt.Errorf("not a report of wrk: %s", out)
	}
	if m := wrkStatus.FindStringSubmatch(out); m != nil {
		return r, fmt.Errorf("%s answers are no 2xx: %s", m[1], out)
	}
	r.requests, _ = strconv.Atoi(total[1])
	perSecond, _ := strconv.ParseFloat(rate[1], 64)
	if r.requests == 0 || perSecond == 0 {
		return r, fmt.Errorf("no request was answered: %s", out)
	}
	r.seconds = float64(r.requests) / perSecond
	for _, m := range wrkPercent.FindAllStringSubmatch(out, -1) {
		d, err := time.ParseDuration(m[2])
		if err != nil {
			return r, err
		}
		if m[1] == "50" {
			r.p50 = d
		} else {
			r.p99 = d
		}
	}
	if m := wrkErrors.FindStringSubmatch(out); m != nil {
		for _, s := range m[1:] {
			n, _ := strconv.Atoi(s)
			r.errors += n
		}
	}
	return r, nil
}

// parseH2load reads the report of h2load.
func parseH2load(out string) (r result, err error) {
	finished, requests, status := h2Finished.FindStringSubmatch(out), h2Requests.FindStringSubmatch(out), h2Status.FindStringSubmatch(out)
	if finished == nil || requests == nil || status == nil {
		return r, fmt.Errorf("not a report of h2load: %s", out)
	}
	d, err := time.ParseDuration(strings.TrimSpace(finished[1]))
	if err != nil {
		return r, err
	}
	r.seconds = d.Seconds()
	r.requests, _ = strconv.Atoi(requests[1])
	ok, _ := strconv.Atoi(status[1])
	if requests[2] != "0" || requests[3] != "0" || requests[4] != "0" || ok != r.requests || ok == 0 {
		return r, fmt.Errorf("requests have failed: %s", out)
	}
	return r, nil
}

// parseH2loadLog reads h2load's log: a line for each request with its start,
// its status and the microseconds it took.
func parseH2loadLog(log string) (p50, p99 time.Duration, err error) {
	var took []int
	for l := range strings.Lines(log) {
		fields := strings.Fields(l)
		if len(fields) != 3 {
			return 0, 0, fmt.Errorf("not a line of h2load's log: %q", l)
		}
		n, err := strconv.Atoi(fields[2])
		if err != nil {
			return 0, 0, err
		}
		took = append(took, n)
	}
	if len(took) == 0 {
		return 0, 0, errors.New("h2load's log is empty")
	}
	slices.Sort(took)
	at := func(percent int) time.Duration {
		return time.Duration(took[(len(took)-1)*percent/100]) * time.Microsecond
	}
	return at(50), at(99), nil
}
