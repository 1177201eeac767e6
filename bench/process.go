// Processes: what is started, how it ends, what it has used.

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start, to answer a first request,
// or to stop.
var patience = 20 * time.Second

// process is a program that runs until it is stopped.
type process struct {
	cmd    *exec.Cmd
	log    string // path of its output
	exited chan struct{}
}

// start runs a program in dir with its output in dir/PROGRAM.log.
func start(dir string, env []string, program string, args ...string) (*process, error) {
	p := &process{
		cmd:    exec.Command(program, args...),
		log:    filepath.Join(dir, filepath.Base(program)+".log"),
		exited: make(chan struct{}),
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.Env = append(os.Environ(), env...)
	// A group of its own: Ctrl-C is for this program, which stops the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// stop ends the process and waits for it; what does not end in time is killed,
// with all its descendants.
func (p *process) stop() {
	pids := descendants(p.cmd.Process.Pid)
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		<-p.exited
	}
}

// ready waits until network address accepts connections.
func (p *process) ready(ctx context.Context, network, address string) error {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial(network, address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			out, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s has exited: %s", p.cmd.Path, out)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not listen: %w", p.cmd.Path, err)
		}
	}
}

// usage is what processes have used: CPU since they were started, memory now.
type usage struct {
	cpu time.Duration
	rss int64
}

// measure adds up the processes and all their descendants, those included that
// have ended and been waited for.
func measure(processes []*process) (u usage) {
	for _, p := range processes {
		for _, pid := range descendants(p.cmd.Process.Pid) {
			// One that has ended meanwhile is counted with its parent.
			if s, err := readStat(pid); err == nil {
				u.cpu += s.cpu
				u.rss += s.rss
			}
		}
	}
	return u
}

// stat is what /proc/PID/stat tells.
type stat struct {
	parent int
	cpu    time.Duration // of the process and the children it has waited for
	rss    int64
}

// tick is the unit of times in /proc, USER_HZ, on every Linux that Go runs on.
const tick = time.Second / 100

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(b))
}

// parseStat parses a line of /proc/PID/stat, see proc_pid_stat(5).
func parseStat(line string) (s stat, err error) {
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	const state, ppid, utime, cutime, rss = 3, 4, 14, 16, 24
	if len(fields) <= rss-state {
		return s, fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	}
	number := func(field int) int64 {
		n, convErr := strconv.ParseInt(fields[field-state], 10, 64)
		if convErr != nil {
			err = convErr
		}
		return n
	}
	s.parent = int(number(ppid))
	s.cpu = time.Duration(number(utime)+number(utime+1)+number(cutime)+number(cutime+1)) * tick
	s.rss = number(rss) * int64(os.Getpagesize())
	return s, err
}

// descendants returns pid and the processes below it.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(child); err == nil {
			children[s.parent] = append(children[s.parent], child)
		}
	}
	tree := []int{pid}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// freeAddress is a TCP address on loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// raiseFiles lets this process and those it starts open as many files as it may,
// and says how many.
func raiseFiles(want uint64) int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	if limit.Max < want {
		higher := syscall.Rlimit{Cur: want, Max: want}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
			return int(want)
		}
	}
	limit.Cur = min(limit.Max, want)
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(limit.Cur)
}
