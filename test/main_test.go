// Package test runs what needs several rooms at once: the behaviour table
// against every host there is, the C ABI, nginx.
//
//	PILLION_KEEP=1      keeps the temporary directories and prints where they are
//	PILLION_SOAK=10     lets TestSoak run for ten minutes, and judge what grows
//	PILLION_SANITIZE=1  builds all C, and nginx, with ASan and UBSan
//	PILLION_RACE=1      builds the library with Go's race detector
package test

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pillion/host"
	"pillion/test/behave"
)

// patience is how long anything may take that a test waits for.
const patience = 30 * time.Second

// workDir is where this run's products and servers live.
var workDir string

// memoryLog collects what the in-memory host's applications log.
var memoryLog lines

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if workDir, err = os.MkdirTemp("", "pillion-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// nginx's workers may be another user.
	os.Chmod(workDir, 0o755)
	if os.Getenv("PILLION_KEEP") != "" {
		fmt.Println("keeping", workDir)
	} else {
		defer os.RemoveAll(workDir)
	}

	if signal.Ignored(os.Interrupt) {
		// A shell that starts the tests in the background has had it ignored, by
		// all that they start as well, and some of that is stopped by it.
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	behave.Register()
	err = host.Start(host.Settings{
		LogLevel: slog.LevelDebug,
		Log:      func(level slog.Level, msg string) { memoryLog.add(level.String() + " " + msg) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := host.Stop(5*time.Second, 5*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "host.Stop:", err, memoryLog.String())
		return 1
	}
	return code
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.WriteString(line + "\n")
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// missing skips the test, because something that it needs is not installed;
// where everything has to be there it fails it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("PILLION_CI") != "" {
		t.Fatal("needed in CI, and missing: " + what)
	}
	t.Skip("missing: " + what)
}

// eventually waits until f says yes. It looks often: what it waits for has no
// way to call.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting after %v: %s", patience, what)
		}
	}
}

// root is the top of the source tree.
func root() string {
	dir, err := filepath.Abs("..")
	if err != nil {
		panic(err)
	}
	return dir
}

func sanitizing() bool { return os.Getenv("PILLION_SANITIZE") != "" }
