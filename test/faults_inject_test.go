// Calls of the C library that fail inside a server, one by one.

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// What is made to fail, as in c/faults.c.
const (
	allocation = 1 + iota
	temporaryFile
	eventDescriptor
	libraryLoad
	threadStart
)

// faultPage is shared with the processes of a server that was started with its
// environment.
type faultPage struct {
	kind, countdown, sticky, failed, everywhere atomic.Int64
}

// faultsLibrary is what the server preloads.
func faultsLibrary(t *testing.T) string {
	cc := compiler(t)
	return builtOnce("faults").get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, "faults.so")
		out, err := exec.Command(cc, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
			"-shared", "-fPIC", "-fno-builtin", "-o", path, "c/faults.c", "-ldl").CombinedOutput()
		return path, out, err
	})
}

// newFaults returns the page and what goes into the server's environment.
func newFaults(t *testing.T) (*faultPage, []string) {
	t.Helper()
	path := filepath.Join(tempDir(t, "faults"), "page")
	require.NoError(t, os.WriteFile(path, make([]byte, os.Getpagesize()), 0o666))
	require.NoError(t, os.Chmod(path, 0o666))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	b, err := syscall.Mmap(int(f.Fd()), 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Munmap(b) })
	return (*faultPage)(unsafe.Pointer(&b[0])), []string{"PILLION_FAULTS=" + path, "LD_PRELOAD=" + faultsLibrary(t)}
}

// failNth makes the nth call of that kind fail, and those after it if sticky.
func (p *faultPage) failNth(kind, n int64, sticky bool) {
	p.kind.Store(0)
	p.failed.Store(0)
	p.countdown.Store(n)
	p.sticky.Store(0)
	if sticky {
		p.sticky.Store(1)
	}
	p.kind.Store(kind)
}

// end lets all calls succeed again and says whether one has failed.
func (p *faultPage) end() bool {
	p.kind.Store(0)
	return p.failed.Load() > 0
}

func (p *faultPage) String() string {
	return fmt.Sprintf("%d calls failed, %d to go", p.failed.Load(), p.countdown.Load())
}
