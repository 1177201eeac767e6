// Events and counters that the processes of a server share, for servers that
// run each request in a process of its own.

package behave

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// sharedDir is where they lie, "" if the process has its own.
var sharedDir = sync.OnceValue(func() string { return os.Getenv("BEHAVE_EVENTS") })

func sharedName(kind, key string) string {
	return filepath.Join(sharedDir(), kind+url.PathEscape(key))
}

// tellShared makes an event happen: a file appears, and the first one stays.
func tellShared(key, value string) {
	f, err := os.CreateTemp(sharedDir(), "new-")
	if err != nil {
		panic(err)
	}
	defer os.Remove(f.Name())
	f.WriteString(value)
	f.Close()
	os.Link(f.Name(), sharedName("event-", key))
}

func awaitShared(ctx context.Context, key string) (string, error) {
	for {
		if b, err := os.ReadFile(sharedName("event-", key)); err == nil {
			return string(b), nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// sharedCounter is a number in a page that the processes map.
func sharedCounter(key string) *atomic.Int64 {
	f, err := os.OpenFile(sharedName("counter-", key), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := f.Truncate(8); err != nil {
		panic(err)
	}
	page, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*atomic.Int64)(unsafe.Pointer(&page[0]))
}
