// The settings of the process, applied to the Go runtime.

package host

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
)

// Settings is what a server decides for the process. The zero value leaves
// everything as Go has it.
type Settings struct {
	// Environ is the C library's environment, each "NAME=value". Go's view is
	// brought in line with it: servers overwrite the place Go reads it from.
	// nil leaves Go's view as it is.
	Environ []string

	// Env is set over it.
	Env []Pair

	// GOMAXPROCS is how many CPUs run Go code at once, 0 leaves Go's choice.
	GOMAXPROCS int

	// GCPercent is as GOGC: negative turns the collector off. 0 stands for GOGC
	// of the environment; without it, and if the application has not set another,
	// a heap in which less than 8 MiB live may have 8 MiB of garbage.
	GCPercent int

	// MemoryLimit is as GOMEMLIMIT, in bytes; 0 leaves it.
	MemoryLimit int64

	// IgnoreSIGPIPE says that the server ignores SIGPIPE.
	IgnoreSIGPIPE bool

	// CrashOutput receives the report of a fatal crash besides standard error,
	// nil for none. It may be closed when Start has returned.
	CrashOutput *os.File

	// ServerSoftware is SERVER_SOFTWARE for requests that bring none.
	ServerSoftware string

	// Log receives messages of LogLevel and above, without a final line feed;
	// stack traces have line feeds in them. It is called from many goroutines
	// at once. nil stands for standard error.
	Log      func(level slog.Level, msg string)
	LogLevel slog.Level
}

var serverSoftware atomic.Pointer[string]

// apply puts the settings into force. On an error some may be.
func (s *Settings) apply() error {
	for _, p := range s.Env {
		if p.Name == "" || strings.ContainsAny(p.Name, "=\x00") || strings.Contains(p.Value, "\x00") {
			return fmt.Errorf("host: not an environment variable: %q", p.Name)
		}
	}
	logTo(s.Log, s.LogLevel)
	if s.Environ != nil {
		if err := alignEnviron(s.Environ); err != nil {
			return err
		}
	}
	for _, p := range s.Env {
		if err := os.Setenv(p.Name, p.Value); err != nil {
			return fmt.Errorf("host: %w", err)
		}
	}
	if s.GOMAXPROCS > 0 {
		runtime.GOMAXPROCS(s.GOMAXPROCS)
	}
	if s.GCPercent != 0 {
		debug.SetGCPercent(s.GCPercent)
	} else {
		new(collector).keepRoom()
	}
	if s.MemoryLimit > 0 {
		debug.SetMemoryLimit(s.MemoryLimit)
	}
	if s.IgnoreSIGPIPE {
		signal.Ignore(syscall.SIGPIPE)
	}
	if s.CrashOutput != nil {
		if err := debug.SetCrashOutput(s.CrashOutput, debug.CrashOptions{}); err != nil {
			return fmt.Errorf("host: crash output: %w", err)
		}
	}
	if s.ServerSoftware != "" {
		serverSoftware.Store(&s.ServerSoftware)
	}
	return nil
}

// alignEnviron makes Go's environment equal to environ. It changes only what
// differs: each change is also one of the C library's.
func alignEnviron(environ []string) error {
	want := make(map[string]string, len(environ))
	for _, line := range environ {
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			continue
		}
		if _, again := want[name]; !again { // getenv finds the first
			want[name] = value
		}
	}
	for _, line := range os.Environ() {
		name, _, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			continue
		}
		if _, known := want[name]; !known {
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("host: %w", err)
			}
		}
	}
	for name, value := range want {
		if now, ok := os.LookupEnv(name); ok && now == value {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("host: %w", err)
		}
	}
	return nil
}

// withSoftware adds SERVER_SOFTWARE to variables that lack it.
func withSoftware(environ []Pair) []Pair {
	software := serverSoftware.Load()
	if software == nil {
		return environ
	}
	for i := range environ {
		if environ[i].Name == "SERVER_SOFTWARE" {
			return environ
		}
	}
	return append(environ, Pair{"SERVER_SOFTWARE", *software})
}
