// The life of the process: start, stop, and which requests are running.

package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

var (
	// ErrStarted is returned by a second Start, whatever became of the first.
	ErrStarted = errors.New("host: started before")
	// ErrNotStarted is returned by Stop if Start has not succeeded.
	ErrNotStarted = errors.New("host: not started")
	// ErrStopped is returned by a second Stop, and by Start after Stop.
	ErrStopped = errors.New("host: stopped before")
	// ErrTimeout is returned by Stop if a request or an OnStop function did
	// not end in the time given.
	ErrTimeout = errors.New("host: not everything ended in time")
)

// errStopping is the cause of a request's cancellation by Stop.
var errStopping = errors.New("host: stopping")

type hook struct {
	name string
	run  func(context.Context) error
}

// life is the state of the process. mu guards all fields but base, which is
// set once before the first hook runs.
var life struct {
	mu       sync.Mutex
	started  bool // Start was called
	ready    bool // and has succeeded
	stopped  bool // Stop was called
	onStart  []hook
	onStop   []hook
	endStart context.CancelFunc
}

// OnStart registers f to run before the first request is served, after the
// functions registered earlier. An error keeps the process from starting. The
// context is cancelled when the process stops, before the OnStop functions run,
// so that it may be kept for background work.
//
// Call OnStart from an init function: what is registered after the start does
// not run. It panics if f is nil.
func OnStart(f func(context.Context) error) { register(&life.onStart, "OnStart", f) }

// OnStop registers f to run when the process stops, after the requests have
// ended or been cancelled and before the functions registered earlier. The
// context ends when the time for stopping is over. It panics if f is nil.
func OnStop(f func(context.Context) error) { register(&life.onStop, "OnStop", f) }

func register(hooks *[]hook, kind string, f func(context.Context) error) {
	if f == nil {
		panic("host: " + kind + ": the function is nil")
	}
	name := kind + " function " + runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	life.mu.Lock()
	defer life.mu.Unlock()
	*hooks = append(*hooks, hook{name, f})
}

// Start applies the settings, installs the log bridges and runs the OnStart
// functions in order. The first that fails or panics ends it; the error names
// it, and has been logged. Start succeeds at most once in a process; after that
// it returns ErrStarted.
func Start(settings Settings) error {
	life.mu.Lock()
	defer life.mu.Unlock()
	if life.stopped {
		return ErrStopped
	}
	if life.started {
		return ErrStarted
	}
	life.started = true
	if err := settings.apply(); err != nil {
		logLine(slog.LevelError, []byte("PILLION-1201: the settings cannot be applied: "+err.Error()))
		return err
	}
	bridgeLogs()
	ctx, cancel := context.WithCancel(context.Background())
	life.endStart = cancel
	hooks := life.onStart
	life.mu.Unlock() // a hook may register others
	var err error
	for _, h := range hooks {
		if err = h.call(ctx); err != nil {
			err = fmt.Errorf("host: %s: %w", h.name, err)
			logLine(slog.LevelError, []byte("PILLION-1202: the start failed: "+err.Error()))
			break
		}
	}
	life.mu.Lock()
	if err != nil {
		cancel()
		return err
	}
	life.ready = true
	return nil
}

// call runs the hook on a goroutine of its own, so that runtime.Goexit and a
// function that outlives ctx do no harm.
func (h hook) call(ctx context.Context) error {
	result := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if returned {
				return
			}
			reason := recover()
			if reason == nil {
				result <- errors.New("runtime.Goexit called")
				return
			}
			stack := make([]byte, 64<<10)
			stack = stack[:runtime.Stack(stack, false)]
			logLine(slog.LevelError, append(fmt.Appendf(nil, "PILLION-1203: panic in %s: %v\n", h.name, reason), stack...))
			result <- fmt.Errorf("panic: %v", reason)
		}()
		err := h.run(ctx)
		returned = true
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	// A function that heeds its context gets the moment it needs to return.
	grace := time.NewTimer(hookGrace)
	defer grace.Stop()
	select {
	case err := <-result:
		return err
	case <-grace.C:
		return ErrTimeout
	}
}

const hookGrace = 50 * time.Millisecond

// Stop ends serving. Requests that run may go on for drain, and so may
// connections that handlers have taken over; then the contexts of those left are
// cancelled with a cause, and the connections closed. Then the OnStop functions run,
// latest first, with a context that ends stop after the drain. A quarter of
// stop, at most a second, is waited for the cancelled requests before that; then
// their reads and writes fail too. What is left of stop is waited for after.
//
// Stop returns ErrTimeout if a request or a function did not end, each having
// been logged with its name, ErrNotStarted if Start has not succeeded and
// ErrStopped if it was called before. An OnStop function's error is logged.
func Stop(drain, stop time.Duration) error {
	life.mu.Lock()
	ready, stopped := life.ready, life.stopped
	if ready {
		life.stopped = true
	}
	hooks := life.onStop
	life.mu.Unlock()
	switch {
	case !ready:
		return ErrNotStarted
	case stopped:
		return ErrStopped
	}

	closed.Store(true)
	waitIdle(drain)
	deadline := time.Now().Add(stop)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	each(func(s *serving) {
		s.cancel(errStopping)
		s.hangUp()
	})
	life.endStart()
	if !waitIdle(min(stop/4, time.Second)) {
		each((*serving).breakOff)
	}

	var late error
	for i := len(hooks) - 1; i >= 0; i-- {
		err := hooks[i].call(ctx)
		if errors.Is(err, ErrTimeout) {
			late = ErrTimeout
		}
		if err != nil {
			logLine(slog.LevelError, fmt.Appendf(nil, "PILLION-1204: %s: %v", hooks[i].name, err))
		}
	}
	if !waitIdle(time.Until(deadline)) {
		late = ErrTimeout
		each(func(s *serving) { s.log(slog.LevelError, "PILLION-1205: request still running at the end of Stop") })
	}
	return late
}

// shard is a part of the running requests. There are several, so that
// processors do not wait for each other.
type shard struct {
	mu        sync.Mutex
	first     *serving
	running   int
	completed uint64
	_         [32]byte // a cache line for each
}

var (
	shards [16]shard

	closed atomic.Bool              // no request is let in any more
	idle   = make(chan struct{}, 1) // told after that when a shard has none left
)

// Running returns how many requests are running: their handlers have not
// returned, or their responses have not ended, or the connections they have taken
// over are open.
func Running() (n int) {
	eachShard(func(sh *shard) { n += sh.running })
	return n
}

// Completed returns how many requests have been run to their end since the
// start of the process. Those refused without a handler do not count.
func Completed() (n uint64) {
	eachShard(func(sh *shard) { n += sh.completed })
	return n
}

// eachShard calls f for each shard, locked.
func eachShard(f func(*shard)) {
	for i := range shards {
		sh := &shards[i]
		sh.mu.Lock()
		f(sh)
		sh.mu.Unlock()
	}
}

// shardOf chooses by the address. What a processor allocates one after another
// lies side by side, so it stays at one shard for a while.
func shardOf(s *serving) *shard {
	return &shards[uintptr(unsafe.Pointer(s))>>13%uintptr(len(shards))]
}

// enter lets a request in, unless the process stops: whoever closes sees the
// request in its shard, or the request sees closed.
func enter(s *serving) (*shard, bool) {
	sh := shardOf(s)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if closed.Load() {
		return nil, false
	}
	if sh.first != nil {
		sh.first.prev = s
	}
	s.next, sh.first = sh.first, s
	sh.running++
	return sh, true
}

func leave(s *serving, sh *shard) {
	sh.mu.Lock()
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		sh.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
	sh.running--
	sh.completed++
	last := sh.running == 0
	sh.mu.Unlock()
	if last && closed.Load() {
		select {
		case idle <- struct{}{}:
		default:
		}
	}
}

// waitIdle waits until no request runs, for at most d.
func waitIdle(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for Running() > 0 {
		select {
		case <-idle:
		case <-timer.C:
			return Running() == 0
		}
	}
	return true
}

// each calls f for each running request. None of them ends meanwhile.
func each(f func(*serving)) {
	eachShard(func(sh *shard) {
		for s := sh.first; s != nil; s = s.next {
			f(s)
		}
	})
}
