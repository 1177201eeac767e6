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

// run runs n operations and returns what Go has allocated for them.
func (d *driver) run(n int) (objects, bytes int, err error) {
	if _, err := fmt.Fprintln(d.in, n); err != nil {
		return 0, 0, err
	}
	line, err := d.out.ReadString('\n')
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, line)
	}
	_, err = fmt.Sscan(line, &objects, &bytes)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, line)
	}
	return objects, bytes, err
}

func benchmark(b *testing.B, kind string, size int64) {
	d := newDriver(b, kind)
	_, _, err := d.run(100) // stacks and pools
	require.NoError(b, err)
	if size > 0 {
		b.SetBytes(size)
	}
	b.ResetTimer()
	objects, bytes, err := d.run(b.N)
	b.StopTimer()
	require.NoError(b, err)
	b.ReportMetric(float64(objects)/float64(b.N), "allocs/op")
	b.ReportMetric(float64(bytes)/float64(b.N), "B/op")
}

func BenchmarkCall(b *testing.B)            { benchmark(b, "call", 0) }
func BenchmarkQueue(b *testing.B)           { benchmark(b, "queue", 0) }
func BenchmarkQueueInFlight64(b *testing.B) { benchmark(b, "inflight", 0) }
func BenchmarkFeed(b *testing.B)            { benchmark(b, "feed", 16<<10) }
func BenchmarkRelease(b *testing.B)         { benchmark(b, "release", 32<<10) }

func TestDriver_RunsEveryKind(t *testing.T) {
	for _, kind := range []string{"call", "queue", "inflight", "feed", "release"} {
		t.Run(kind, func(t *testing.T) {
			objects, bytes, err := newDriver(t, kind).run(200)
			require.NoError(t, err)
			assert.Positive(t, objects)
			assert.Positive(t, bytes)
		})
	}
}
