package host

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// anew lets a test start and stop the process as if it were new.
func anew(t *testing.T) *logged {
	reset := func() {
		life.started, life.ready, life.stopped = false, false, false
		life.onStart, life.onStop, life.endStart = nil, nil, nil
		closed.Store(false)
		select {
		case <-idle:
		default:
		}
	}
	reset()
	sink, def, w, f := currentSink.Load(), slog.Default(), log.Writer(), log.Flags()
	facts := process
	l := new(logged)
	t.Cleanup(func() {
		reset()
		process = facts
		currentSink.Store(sink)
		slog.SetDefault(def)
		log.SetOutput(w)
		log.SetFlags(f)
	})
	return l
}

func (l *logged) settings() Settings {
	return Settings{LogLevel: slog.LevelDebug, Log: func(level slog.Level, msg string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, level.String()+" "+msg)
	}}
}

func TestLife_HooksRunInOrder(t *testing.T) {
	l := anew(t)
	var order []string
	var startContext context.Context
	note := func(s string) func(context.Context) error {
		return func(ctx context.Context) error { order = append(order, s); return nil }
	}
	OnStart(note("start 1"))
	OnStart(func(ctx context.Context) error { startContext = ctx; return nil })
	OnStart(note("start 2"))
	OnStop(note("stop 1"))
	OnStop(func(ctx context.Context) error {
		order = append(order, "stop 2")
		deadline, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.WithinDuration(t, time.Now().Add(time.Minute), deadline, patience)
		assert.Error(t, startContext.Err())
		return errors.New("not so good")
	})
	OnStop(func(context.Context) error { panic("worse") })
	OnStop(func(context.Context) error { runtime.Goexit(); return nil })

	assert.Equal(t, ErrNotStarted, Stop(0, 0))
	require.NoError(t, Start(l.settings()))
	assert.Equal(t, ErrStarted, Start(Settings{}))
	assert.NoError(t, startContext.Err())
	assert.NoError(t, Stop(time.Minute, time.Minute))
	assert.Equal(t, ErrStopped, Stop(0, 0))
	assert.Equal(t, ErrStopped, Start(Settings{}))
	assert.Equal(t, []string{"start 1", "start 2", "stop 2", "stop 1"}, order)
	assert.Regexp(t, `ERROR PILLION-1204: OnStop function pillion/host\.TestLife_HooksRunInOrder\.func\d+: not so good`, l.String())
	assert.Contains(t, l.String(), ": worse\ngoroutine ")
	assert.Contains(t, l.String(), ": runtime.Goexit called")
	assert.Panics(t, func() { OnStart(nil) })
	assert.Panics(t, func() { OnStop(nil) })
}

func TestLife_FailedStartNamesItsHook(t *testing.T) {
	broken := errors.New("broken")
	for name, f := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return broken },
		"panic": func(context.Context) error { panic("broken") },
		"exit":  func(context.Context) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := anew(t)
			OnStart(f)
			OnStart(func(context.Context) error { t.Error("ran after a failure"); return nil })
			err := Start(l.settings())
			require.Error(t, err)
			assert.Regexp(t, `^host: OnStart function pillion/host\.TestLife_FailedStartNamesItsHook\.func\d+: `, err.Error())
			if name == "error" {
				assert.ErrorIs(t, err, broken)
			}
			assert.Contains(t, l.String(), "ERROR PILLION-1202: the start failed: "+err.Error())
			assert.Equal(t, ErrStarted, Start(Settings{}))
			assert.Equal(t, ErrNotStarted, Stop(0, 0))
		})
	}
}

func TestLife_StopWaitsForRequests(t *testing.T) {
	l := anew(t)
	require.NoError(t, Start(l.settings()))
	running, release, served := make(chan struct{}), make(chan struct{}), make(chan struct{})
	x := &Memory{Request: request(app(func(w http.ResponseWriter, r *http.Request) {
		close(running)
		<-release
		assert.NoError(t, r.Context().Err())
	}), "GET", "/")}
	go func() { Serve(x); close(served) }()
	<-running
	assert.Equal(t, 1, Running())
	stopped := make(chan error)
	go func() { stopped <- Stop(time.Minute, time.Minute) }()
	for !closed.Load() {
		runtime.Gosched()
	}
	late := &Memory{Request: request(x.Request.App, "GET", "/")}
	Serve(late)
	assert.Equal(t, Aborted, late.End)
	assert.Zero(t, late.Status)
	close(release)
	assert.NoError(t, <-stopped)
	wait(t, served, "the request")
	assert.Equal(t, Complete, x.End)
	assert.Zero(t, Running())
}

func TestLife_StopCancelsWhatIsLeft(t *testing.T) {
	l := anew(t)
	var cause error
	hookRan := false
	OnStop(func(context.Context) error { hookRan = true; return nil })
	require.NoError(t, Start(l.settings()))
	running, served := make(chan struct{}), make(chan struct{})
	x := &Memory{Request: request(app(func(w http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
		cause = context.Cause(r.Context())
	}), "GET", "/")}
	go func() { Serve(x); close(served) }()
	<-running
	assert.NoError(t, Stop(0, time.Minute))
	wait(t, served, "the request")
	assert.Equal(t, errStopping, cause)
	assert.True(t, hookRan)
}

func TestLife_StopBreaksOffBlockedReads(t *testing.T) {
	l := anew(t)
	require.NoError(t, Start(l.settings()))
	client, server := net.Pipe()
	defer client.Close()
	reading, served := make(chan struct{}), make(chan struct{})
	x := &strict{}
	x.BodyReader = &signalling{server, reading}
	x.Request = request(app(func(w http.ResponseWriter, r *http.Request) {
		_, err := r.Body.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}), "POST", "/")
	x.Request.More = true
	go func() { defer close(served); Serve(x) }()
	<-reading
	assert.NoError(t, Stop(0, time.Minute))
	wait(t, served, "the request")
}

func TestLife_StopNamesWhatDoesNotEnd(t *testing.T) {
	l := anew(t)
	hang := make(chan struct{})
	hookRan := false
	OnStop(func(context.Context) error { hookRan = true; return nil })
	OnStop(func(context.Context) error { <-hang; return nil })
	require.NoError(t, Start(l.settings()))
	running, served := make(chan struct{}), make(chan struct{})
	x := &Memory{Request: request(app(func(w http.ResponseWriter, r *http.Request) { close(running); <-hang }), "GET", "/stuck")}
	go func() { Serve(x); close(served) }()
	<-running
	assert.Equal(t, ErrTimeout, Stop(0, 10*time.Millisecond))
	assert.True(t, hookRan)
	assert.Contains(t, l.String(), `ERROR PILLION-1205: request still running at the end of Stop, app: "`+x.Request.App+`", client: 192.0.2.1, request: "GET /stuck HTTP/1.1"`)
	assert.Regexp(t, `OnStop function pillion/host\.TestLife_StopNamesWhatDoesNotEnd\.func\d+: host: not everything ended in time`, l.String())
	close(hang)
	wait(t, served, "the request")
}

func TestStart_Settings(t *testing.T) {
	l := anew(t)
	t.Setenv("PILLION_TEST_STALE", "old")
	t.Setenv("PILLION_TEST_CHANGED", "old")
	t.Setenv("PILLION_TEST_SAME", "same")
	t.Setenv("PILLION_TEST_NEW", "")
	t.Setenv("PILLION_TEST_SET", "")
	os.Unsetenv("PILLION_TEST_NEW")
	os.Unsetenv("PILLION_TEST_SET")
	var environ []string
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "PILLION_TEST_") {
			environ = append(environ, line)
		}
	}
	environ = append(environ, "PILLION_TEST_CHANGED=new=1", "PILLION_TEST_SAME=same", "PILLION_TEST_NEW=new",
		"PILLION_TEST_NEW=second", "rubbish", "=rubbish")

	procs := runtime.GOMAXPROCS(0)
	percent := debug.SetGCPercent(100)
	limit := debug.SetMemoryLimit(-1)
	defer func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		debug.SetCrashOutput(nil, debug.CrashOptions{})
		signal.Reset(syscall.SIGPIPE)
		serverSoftware.Store(nil)
	}()
	crash, err := os.Create(t.TempDir() + "/crash")
	require.NoError(t, err)
	defer crash.Close()

	s := l.settings()
	s.Environ, s.Env = environ, []Pair{{"PILLION_TEST_SET", "set"}}
	s.GOMAXPROCS, s.GCPercent, s.MemoryLimit = 1, -1, 1<<40
	s.IgnoreSIGPIPE, s.CrashOutput, s.ServerSoftware = true, crash, "test/1"
	require.NoError(t, Start(s))

	_, stale := os.LookupEnv("PILLION_TEST_STALE")
	assert.False(t, stale)
	assert.Equal(t, "new=1", os.Getenv("PILLION_TEST_CHANGED"))
	assert.Equal(t, "same", os.Getenv("PILLION_TEST_SAME"))
	assert.Equal(t, "new", os.Getenv("PILLION_TEST_NEW"))
	assert.Equal(t, "set", os.Getenv("PILLION_TEST_SET"))
	assert.Equal(t, 1, runtime.GOMAXPROCS(0))
	assert.Equal(t, -1, debug.SetGCPercent(-1))
	assert.EqualValues(t, 1<<40, debug.SetMemoryLimit(-1))
	assert.True(t, signal.Ignored(syscall.SIGPIPE))
	assert.Equal(t, []Pair{{"SERVER_SOFTWARE", "test/1"}}, withSoftware(nil))
}

func TestStart_BadEnvironmentIsRefused(t *testing.T) {
	for _, p := range []Pair{{"", "x"}, {"a=b", "x"}, {"a\x00", "x"}, {"a", "\x00"}} {
		l := anew(t)
		s := l.settings()
		s.Env = []Pair{p}
		assert.ErrorContains(t, Start(s), "not an environment variable")
	}
	l := anew(t)
	s := l.settings()
	gone, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	s.CrashOutput = gone
	assert.ErrorContains(t, Start(s), "crash output")
}
