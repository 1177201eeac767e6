// Benchmarks of the border, driven by a C program.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// driver is a C program with a library, waiting to be told how many operations
// to run.
type driver struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// built is where the program and the library are.
var built = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(workDir, "drive")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := build(context.Background(), "./bench/library", filepath.Join(dir, "bench.so"), "-buildmode=c-shared"); err != nil {
		return "", err
	}
	out, err := exec.Command("gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-I../include",
		"-o", filepath.Join(dir, "drive"), "c/drive.c", "-ldl", "-lpthread").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gcc: %w: %s", err, out)
	}
	return dir, nil
})

func newDriver(t testing.TB, kind string) *driver {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(t, "gcc")
	}
	dir, err := built()
	require.NoError(t, err)
	cmd := exec.Command(filepath.Join(dir, "drive"), filepath.Join(dir, "bench.so"), kind)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close() // its end
		assert.NoError(t, cmd.Wait())
	})
	return &driver{in, bufio.NewReader(stdout)}
}

// run runs n operations and returns what Go has allocated for them, and the
// nanoseconds of each hop if the kind tells them.
func (d *driver) run(n int) (objects, bytes int, hops []int, err error) {
	if _, err := fmt.Fprintln(d.in, n); err != nil {
		return 0, 0, nil, err
	}
	line, err := d.out.ReadString('\n')
	if err != nil {
		return 0, 0, nil, fmt.Errorf("%w: %s", err, line)
	}
	var numbers []int
	for _, field := range strings.Fields(line) {
		number, err := strconv.Atoi(field)
		if err != nil {
			return 0, 0, nil, fmt.Errorf("%w: %s", err, line)
		}
		numbers = append(numbers, number)
	}
	if len(numbers) < 2 {
		return 0, 0, nil, fmt.Errorf("no two numbers: %s", line)
	}
	return numbers[0], numbers[1], numbers[2:], nil
}

func benchmark(b *testing.B, kind string, size int64) {
	d := newDriver(b, kind)
	_, _, _, err := d.run(100) // stacks and pools
	require.NoError(b, err)
	if size > 0 {
		b.SetBytes(size)
	}
	b.ResetTimer()
	objects, bytes, hops, err := d.run(b.N)
	b.StopTimer()
	require.NoError(b, err)
	b.ReportMetric(float64(objects)/float64(b.N), "allocs/op")
	b.ReportMetric(float64(bytes)/float64(b.N), "B/op")
	for i, ns := range hops {
		b.ReportMetric(float64(ns)/float64(b.N), hopNames[i])
	}
}

// hopNames has the hops in the order in which drive.c tells them. The numbers
// keep it in the benchmark's output, which is sorted.
var hopNames = [...]string{
	"1-submit-ns", "2-flush-ns", "3-to-handler-ns", "4-handler-ns", "5-to-poll-ns", "6-poll-ns", "7-release-ns",
	"cpu-owner-ns", "cpu-all-ns",
}

func BenchmarkCall(b *testing.B)            { benchmark(b, "call", 0) }
func BenchmarkCallFloor(b *testing.B)       { benchmark(b, "floor", 0) }
func BenchmarkFields(b *testing.B)          { benchmark(b, "fields", 0) }
func BenchmarkFieldsFloor(b *testing.B)     { benchmark(b, "fieldsfloor", 0) }
func BenchmarkQueue(b *testing.B)           { benchmark(b, "queue", 0) }
func BenchmarkQueueInFlight64(b *testing.B) { benchmark(b, "inflight", 0) }
func BenchmarkHops1(b *testing.B)           { benchmark(b, "hops1", 0) }
func BenchmarkHops64(b *testing.B)          { benchmark(b, "hops64", 0) }
func BenchmarkFeed(b *testing.B)            { benchmark(b, "feed", 16<<10) }
func BenchmarkRelease(b *testing.B)         { benchmark(b, "release", 32<<10) }

func TestDriver_RunsEveryKind(t *testing.T) {
	for kind, hops := range map[string]int{
		"call": 0, "fields": 0, "floor": 0, "fieldsfloor": 0, "queue": 0, "inflight": 0, "feed": 0, "release": 0, "hops1": len(hopNames), "hops64": len(hopNames),
	} {
		t.Run(kind, func(t *testing.T) {
			objects, bytes, spent, err := newDriver(t, kind).run(200)
			require.NoError(t, err)
			assert.Positive(t, objects)
			assert.Positive(t, bytes)
			require.Len(t, spent, hops)
			for i, ns := range spent {
				assert.Positive(t, ns, hopNames[i])
			}
		})
	}
}
